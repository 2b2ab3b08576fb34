//! Trees as JSON: what Prometheus' `parse_query` answers.

use serde_json::{Value, json};

use hinomi_series::Matcher;
use hinomi_series::number::format_f;

use crate::ast::{At, Binary, Call, Duration, DurationOp, Edges, Expr, Shift, ValueType, VectorSelector};
use crate::function::Repeat;
use crate::print::literal_ms;

/// A tree as `parse_query` shows it: objects with a `type`, durations in milliseconds.
#[must_use]
pub fn tree(expr: &Expr) -> Value {
    match expr {
        Expr::Number(number) => json!({"type": "numberLiteral", "val": format_f(number.value)}),
        Expr::String(text) => json!({"type": "stringLiteral", "val": text.value}),
        Expr::Vector(selector) => with_selector(json!({"type": "vectorSelector"}), selector),
        Expr::Matrix(matrix) => {
            let (range, range_expr) = duration(Some(&matrix.range));
            let head = json!({"type": "matrixSelector", "range": range, "rangeExpr": range_expr});
            with_selector(head, &matrix.selector)
        }
        Expr::Subquery(subquery) => {
            let (range, range_expr) = duration(Some(&subquery.range));
            let (step, step_expr) = duration(subquery.step.as_ref());
            let node = json!({
                "type": "subquery",
                "expr": tree(&subquery.expr),
                "range": range,
                "rangeExpr": range_expr,
                "step": step,
                "stepExpr": step_expr,
            });
            with_shift(node, &subquery.shift)
        }
        Expr::Call(call) => self::call(call),
        Expr::Aggregate(aggregate) => json!({
            "type": "aggregation",
            "op": aggregate.op.as_str(),
            "expr": tree(&aggregate.expr),
            "param": aggregate.param.as_ref().map(tree),
            "grouping": aggregate.grouping,
            "without": aggregate.without,
        }),
        Expr::Binary(binary) => self::binary(binary),
        Expr::Unary(unary) => {
            json!({"type": "unaryExpr", "op": if unary.minus { "-" } else { "+" }, "expr": tree(&unary.expr)})
        }
        Expr::Paren(paren) => json!({"type": "parenExpr", "expr": tree(&paren.expr)}),
        Expr::Error(_) => Value::Null,
    }
}

fn call(call: &Call) -> Value {
    let function = call.function;
    let types: Vec<&str> = function.args.iter().copied().map(ValueType::as_str).collect();
    let variadic = match function.repeat {
        Repeat::Once => json!(0),
        Repeat::AtMost(more) => json!(more),
        Repeat::Any => json!(-1),
    };
    json!({
        "type": "call",
        "func": {
            "name": function.name,
            "argTypes": types,
            "variadic": variadic,
            "returnType": function.result.as_str(),
        },
        "args": call.args.iter().map(tree).collect::<Vec<_>>(),
    })
}

fn binary(binary: &Binary) -> Value {
    let matching = binary.matching.as_ref().map(|matching| {
        json!({
            "card": matching.cardinality.as_str(),
            "labels": matching.labels,
            "on": matching.on,
            "include": matching.include,
            "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
        })
    });
    json!({
        "type": "binaryExpr",
        "op": binary.op.as_str(),
        "lhs": tree(&binary.left),
        "rhs": tree(&binary.right),
        "matching": matching,
        "bool": binary.return_bool,
    })
}

fn with_selector(node: Value, selector: &VectorSelector) -> Value {
    let matchers: Vec<Value> = selector.matchers.iter().map(matcher).collect();
    let more = json!({
        "name": selector.name,
        "matchers": matchers,
        "anchored": selector.edges == Edges::Anchored,
        "smoothed": selector.edges == Edges::Smoothed,
    });
    with_shift(merged(node, more), &selector.shift)
}

fn matcher(matcher: &Matcher) -> Value {
    json!({"name": &*matcher.name, "value": &*matcher.value, "type": matcher.op.as_str()})
}

fn with_shift(node: Value, shift: &Shift) -> Value {
    let (offset, offset_expr) = duration(shift.offset.as_ref());
    let (time, word) = match shift.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(ms)) => (json!(ms), Value::Null),
        Some(At::Start) => (Value::Null, json!("start")),
        Some(At::End) => (Value::Null, json!("end")),
    };
    merged(node, json!({"offset": offset, "offsetExpr": offset_expr, "timestamp": time, "startOrEnd": word}))
}

fn merged(mut node: Value, more: Value) -> Value {
    if let (Value::Object(node), Value::Object(more)) = (&mut node, more) {
        node.extend(more);
    }
    node
}

/// Milliseconds of what is written down, and the tree of what has to be calculated.
fn duration(duration: Option<&Duration>) -> (i64, Value) {
    match duration {
        None => (0, Value::Null),
        Some(literal @ Duration::Literal(_)) => (literal_ms(literal), Value::Null),
        Some(other) => (0, duration_tree(other, false)),
    }
}

fn duration_tree(duration: &Duration, wrapped: bool) -> Value {
    let node = |op: &str, left: Value, right: Value| json!({"type": "durationExpr", "op": op, "lhs": left, "rhs": right, "wrapped": wrapped});
    match duration {
        Duration::Literal(number) if wrapped => node("+", Value::Null, literal(number)),
        Duration::Literal(number) => literal(number),
        Duration::Step(_) => node("step", Value::Null, Value::Null),
        Duration::Range(_) => node("range", Value::Null, Value::Null),
        Duration::Paren { inner, .. } => duration_tree(inner, true),
        Duration::Unary { minus, inner, .. } => {
            node(if *minus { "-" } else { "+" }, Value::Null, duration_tree(inner, false))
        }
        Duration::Binary { op, left, right, .. } => {
            let op: DurationOp = *op;
            node(op.as_str(), duration_tree(left, false), duration_tree(right, false))
        }
    }
}

fn literal(number: &crate::ast::Number) -> Value {
    json!({"type": "numberLiteral", "val": format_f(number.value), "duration": number.duration})
}
