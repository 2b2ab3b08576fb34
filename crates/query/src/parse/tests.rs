//! Tables of what parses, into what, and of what does not, and why.

use proptest::prelude::*;

use super::*;
use crate::ast::{At, DurationContext, Edges};
use crate::print::pretty;

const ALL: Options = Options { experimental: true };

fn tree(text: &str) -> Expr {
    parse(text, ALL).unwrap_or_else(|errors| panic!("{text}: {errors}"))
}

fn first_error(text: &str) -> String {
    parse(text, ALL).expect_err(text).to_string()
}

/// A tree with all that is implied in parentheses.
fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(binary) => {
            format!("({} {} {})", grouped(&binary.left), binary.op.as_str(), grouped(&binary.right))
        }
        Expr::Unary(unary) => format!("({}{})", if unary.minus { "-" } else { "+" }, grouped(&unary.expr)),
        other => other.to_string(),
    }
}

#[test]
fn operators_bind_as_they_should() {
    let table = [
        ("a + b * c", "(a + (b * c))"),
        ("a * b + c", "((a * b) + c)"),
        ("a - b - c", "((a - b) - c)"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("-1 ^ 2", "(-(1 ^ 2))"),
        ("- -1", "1"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a == b + c", "(a == (b + c))"),
        ("a > b == c", "((a > b) == c)"),
        ("a atan2 b % c", "((a atan2 b) % c)"),
        ("a </ b >/ c", "((a </ b) >/ c)"),
        ("-a offset 5m", "(-a offset 5m)"),
        ("a offset 5m ^ 2", "(a offset 5m ^ 2)"),
        ("a offset -5m ^ 2", "(a offset -5m ^ 2)"),
        ("a offset 5m + 3", "(a offset 5m + 3)"),
        ("a offset (5m) + 3", "a offset (5m) + 3"),
        ("a + b @ 5 offset 1m", "(a + b @ 5.000 offset 1m)"),
    ];
    for (text, groups) in table {
        assert_eq!(grouped(&tree(text)), groups, "{text}");
    }
}

#[test]
fn what_parses_prints() {
    let table = [
        ("1", "1"),
        ("0x1F + 010 + 1_000.5 + .5 + 1e3 + Inf + NaN", "31 + 8 + 1000.5 + 0.5 + 1000 + +Inf + NaN"),
        ("1h30m - -5m", "1h30m - -5m"),
        ("'a\"b' ", r#""a\"b""#),
        ("foo{ b = 'x', a!~\"y\" , }", "foo{a!~\"y\",b=\"x\"}"),
        ("{\"foo.bar\", \"a.b\"=\"c\"}", "{\"a.b\"=\"c\",__name__=\"foo.bar\"}"),
        ("{__name__=~'a.+'}", "{__name__=~\"a.+\"}"),
        ("foo[5m] offset 1h @ start()", "foo[5m] @ start() offset 1h"),
        ("foo[300]", "foo[5m]"),
        ("foo offset -90s @ 1.5", "foo @ 1.500 offset -1m30s"),
        ("foo[5m] anchored", "foo[5m] anchored"),
        ("foo smoothed @ end()", "foo @ end() smoothed"),
        ("foo[1h:]", "foo[1h:]"),
        ("rate(foo[5m])[1h:5m] offset 1m", "rate(foo[5m])[1h:5m] offset 1m"),
        ("foo[step() * 2]", "foo[step() * 2]"),
        ("foo[(5m+1m)/2:min_of(step(), 10s)]", "foo[(5m + 1m) / 2:min_of(step(), 10s)]"),
        ("foo offset -range()", "foo offset -range()"),
        ("foo[2^2m % 3]", "foo[2 ^ 2m % 3]"),
        ("sum(foo)", "sum(foo)"),
        ("sum(foo) by (a, \"b.c\")", "sum by (a, \"b.c\") (foo)"),
        ("sum without () (foo)", "sum without () (foo)"),
        ("topk by (a) (5, foo)", "topk by (a) (5, foo)"),
        ("count_values('v', foo)", "count_values(\"v\", foo)"),
        ("a + on (x) group_left (y) b", "a + on (x) group_left (y) b"),
        ("a * ignoring (x) group_right b", "a * ignoring (x) group_right () b"),
        ("a > bool 1", "a > bool 1"),
        ("a + on () b", "a + on () b"),
        ("a + fill (0) b", "a + fill (0) b"),
        ("a - fill_right(2) fill_left(-1) b", "a - fill_left (-1) fill_right (2) b"),
        ("min_of(start(), end()) + step()", "min_of(start(), end()) + step()"),
        ("sum + by + offset", "sum + by + offset"),
        ("label_join(a, 'x', 'y', 'z')", "label_join(a, \"x\", \"y\", \"z\")"),
        ("(a # comment\n)", "(a)"),
        ("SUM(foo) BY (a)", "sum by (a) (foo)"),
        ("info(a, {b=\"c\"})", "info(a, {b=\"c\"})"),
        ("a:b:c", "a:b:c"),
        ("fill + fill", "fill + fill"),
        (r#""\xff""#, r#""\xff""#),
    ];
    for (text, printed) in table {
        let tree = tree(text);
        let found = tree.to_string();
        assert_eq!(found, printed, "{text}");
        assert_eq!(self::tree(&found).to_string(), found, "{text}: printed again");
        assert_eq!(self::tree(&pretty(&tree)).to_string(), found, "{text}: pretty");
    }
}

#[test]
fn nodes_know_their_places() {
    let text = "sum by (a) (rate(foo{b=\"c\"}[5m] offset 1h)) / -bar[1h:] ";
    let table = ["foo{b=\"c\"}[5m] offset 1h", "rate(foo{b=\"c\"}[5m] offset 1h)"];
    let (tree, _) = parse_partly(text, ALL);
    let mut seen = Vec::new();
    fn walk<'a>(expr: &Expr, text: &'a str, seen: &mut Vec<&'a str>) {
        let span = expr.span();
        seen.push(text.get(span.start as usize..span.end as usize).unwrap());
        expr.children().into_iter().for_each(|child| walk(child, text, seen));
    }
    walk(&tree, text, &mut seen);
    for wanted in table {
        assert!(seen.contains(&wanted), "{wanted}: {seen:?}");
    }
    assert!(
        seen.contains(&"bar[1h:]") && seen.contains(&"-bar[1h:]") && seen.contains(&text.trim_end()),
        "{seen:?}"
    );
}

#[test]
fn modifiers_land_where_they_belong() {
    let Expr::Matrix(matrix) = tree("foo[5m] smoothed @ 12.3456 offset 1m") else { panic!("no range") };
    assert_eq!(matrix.selector.edges, Edges::Smoothed);
    assert_eq!(matrix.selector.shift.at, Some(At::Time(12_346)));
    let context = DurationContext { step_ms: 60_000, range_ms: 3_600_000 };
    let table = [
        ("foo offset 1.001", Ok(1_001)),
        ("foo offset -(1m + 30s)", Ok(-90_000)),
        ("foo offset step()", Ok(60_000)),
        ("foo offset max_of(range() / 2, 1h)", Ok(3_600_000)),
        ("foo offset (2 ^ 3)", Ok(8_000)),
        ("foo offset (1m / (step() - 1m))", Err("12:30: division by zero")),
        ("foo offset (-1 ^ 0.5 * (0 - 1) ^ 0.5)", Err("12:36: duration is NaN or infinite")),
    ];
    for (text, ms) in table {
        let Expr::Vector(selector) = tree(text) else { panic!("no selector: {text}") };
        let found = selector.shift.offset.unwrap().offset_ms(context).map_err(|error| error.to_string());
        assert_eq!(found, ms.map_err(str::to_owned), "{text}");
    }
    let Expr::Matrix(matrix) = tree("foo[step() - 1m]") else { panic!("no range") };
    assert_eq!(
        matrix.range.range_ms(context).unwrap_err().to_string(),
        "4:15: duration must be greater than 0"
    );
}

#[test]
fn errors_are_said_as_prometheus_does() {
    let table = [
        ("", "unknown position: parse error: no expression found in input"),
        ("# just a comment\n\n", "1:1: parse error: no expression found in input"),
        ("1+", "1:3: parse error: unexpected end of input"),
        ("(1", "1:3: parse error: unclosed left parenthesis"),
        ("1)", "1:3: parse error: unexpected right parenthesis ')'"),
        ("foo $", "1:5: parse error: unexpected character: '$'"),
        ("\"abc", "1:1: parse error: unterminated quoted string"),
        (r#""\q""#, "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        ("foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("foo{a=5}", "1:7: parse error: unexpected character inside braces: '5'"),
        ("foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"),
        ("foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""),
        ("foo{a=~\"[\"}", "1:5: parse error: error parsing regexp: missing closing ]: `[`"),
        ("foo[", "1:5: parse error: unexpected end of input in duration expression"),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        (
            "foo[]",
            "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or \
             range()",
        ),
        (
            "foo[5m 5m]",
            "1:8: parse error: unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\"",
        ),
        ("foo[5m:5m 1]", "1:11: parse error: unexpected number \"1\" in subquery selector, expected \"]\""),
        ("foo[0m]", "1:5: parse error: duration must be greater than 0"),
        ("foo[5y1hs]", "1:5: parse error: unknown unit \"hs\" in duration \"5y1hs\""),
        (
            "foo offset",
            "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"),
        ("foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"),
        ("foo @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        (
            "1 @ 2",
            "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector \
         or a subquery",
        ),
        ("1[5m]", "1:2: parse error: ranges only allowed for vector selectors"),
        ("foo offset 1m[5m]", "1:14: parse error: no offset modifiers allowed before range"),
        (
            "foo anchored smoothed",
            "1:1: parse error: anchored and smoothed modifiers cannot be used together",
        ),
        ("foo[1h:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"),
        ("sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        (
            "topk(foo)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        (
            "sum by foo (x)",
            "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\"",
        ),
        ("sum by (5) (x)", "1:9: parse error: unexpected number \"5\" in grouping opts, expected label"),
        ("rate(foo[5m],)", "1:13: parse error: trailing commas not allowed in function call args"),
        ("nope(1)", "1:1: parse error: unknown function with name \"nope\""),
        (
            "rate(foo)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"),
        ("round(a, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        (
            "label_join(a)",
            "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 1",
        ),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("a and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("1 + on (x) a", "1:1: parse error: vector matching only allowed between instant vectors"),
        ("a and on (x) group_left b", "1:1: parse error: no grouping allowed for \"and\" operation"),
        ("a or fill (1) b", "1:1: parse error: filling in missing series not allowed for set operators"),
        (
            "a + on (x) group_left (x) b",
            "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once",
        ),
        (
            "a + b[5m]",
            "1:5: parse error: binary expression must contain only scalar and instant vector types",
        ),
        (
            "-\"a\"",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, \
         got \"string\"",
        ),
        ("foo[5m][1h:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""),
        ("info(a, b)", "1:9: parse error: expected label selectors only, got vector selector instead"),
        (
            "1e999",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": value out of range",
        ),
        (
            "3_ + 1",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"3_\": invalid syntax",
        ),
        ("1..2", "1:1: parse error: bad number or duration syntax: \"1..\""),
        ("a\n  + $", "2:5: parse error: unexpected character: '$'"),
    ];
    for (text, error) in table {
        assert_eq!(first_error(text), error, "{text}");
    }
}

#[test]
fn what_is_experimental_has_to_be_switched_on() {
    let table = [
        ("mad_over_time(a[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"),
        (
            "limitk(1, a)",
            "1:1: parse error: limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
        ("a + fill (1) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    ];
    for (text, error) in table {
        assert_eq!(parse(text, Options::default()).unwrap_err().to_string(), error);
        assert!(parse(text, ALL).is_ok(), "{text}");
    }
}

#[test]
fn several_errors_are_found_at_once() {
    let table: [(&str, &[(u32, u32)]); 4] = [
        ("rate(foo[5m], , bar) + nope(1) + sum by (5, a) (x y)", &[(12, 13), (23, 27), (41, 42), (50, 51)]),
        ("foo{a=b, c=\"d\", =} + bar[x]", &[(6, 7), (16, 17), (25, 27)]),
        ("foo bar + ) baz", &[(4, 7), (11, 15)]),
        ("rate(foo) + 1 == \"a\"", &[(5, 8), (17, 20)]),
    ];
    for (text, spans) in table {
        let (_, errors) = parse_partly(text, ALL);
        let found: Vec<(u32, u32)> = errors.iter().map(|error| (error.span.start, error.span.end)).collect();
        assert_eq!(found, spans, "{text}: {errors:?}");
    }
    let many = "nope() + ".repeat(200);
    assert_eq!(parse_partly(&many, ALL).1.len(), ERRORS_MAX);
}

#[test]
fn what_was_understood_is_kept() {
    let (tree, errors) = parse_partly("sum by (job) (rate(http_requests_total{code=}[5m])", ALL);
    assert!(!errors.is_empty());
    let mut names = Vec::new();
    tree.for_each_selector(&mut |selector| names.push(selector.name.clone()));
    assert_eq!(names, ["http_requests_total"]);
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = DEPTH_MAX as usize + 50;
    let texts = [
        format!("{}a{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}a", "-".repeat(deep)),
        vec!["a"; deep].join(" + "),
        vec!["a"; deep].join(" ^ "),
        format!("a{}", "[5m:1m]".repeat(deep)),
        format!("{}a{}", "abs(".repeat(deep), ")".repeat(deep)),
        format!("a[{}5m{}]", "(".repeat(deep), ")".repeat(deep)),
        format!("a[5m{}]", " + 1m".repeat(deep)),
        format!("a[{}5m]", "- ".repeat(deep)),
    ];
    for text in texts {
        assert!(first_error(&text).contains("200 levels"), "{}", first_error(&text));
    }
    for text in ["(", "-", "a + ", "abs(", "a[5m + ", "a[(", "sum(a) by (", "{a=\"b\"} or ", "a ^ ("] {
        let _unseen = parse_partly(&text.repeat(TEXT_MAX_BYTES / text.len()), ALL);
    }
    let error = first_error(&"a".repeat(TEXT_MAX_BYTES + 1));
    assert!(error.contains("is too long: at most 1048576"), "{error}");
    assert!(parse(&vec!["a"; DEPTH_MAX as usize].join(" or "), ALL).is_ok());
}

#[test]
fn selectors_alone() {
    let table = [
        ("up", "[__name__=\"up\"]"),
        ("{a=\"b\",c!~\"d\"}", "[a=\"b\", c!~\"d\"]"),
        ("{}", "[]"),
        ("{\"a.b\"}", "[__name__=\"a.b\"]"),
        ("sum{a=\"b\"}", "[a=\"b\", __name__=\"sum\"]"),
    ];
    for (text, matchers) in table {
        assert_eq!(format!("{:?}", parse_selector(text).unwrap()), matchers, "{text}");
    }
    for text in ["", "5", "up[5m]", "up offset 5m", "up + up", "up up", "{a}", "(up)", "up $"] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
}

#[test]
fn long_expressions_are_divided() {
    let text = "sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{image!=\"\", \
                job=\"kubelet\"}[5m])) / on (namespace, pod) group_left (node) topk(1, max by (namespace, pod) \
                (kube_pod_info{node!=\"\"})) > bool 0.5";
    insta::assert_snapshot!(pretty(&tree(text)));
}

#[test]
fn trees_as_json() {
    let text = "sum by (a) (rate(foo{b=\"c\"}[5m] offset 1m)) > bool (a + on (x) group_left (y) \
                last_over_time(bar[1h:step()] @ end()))";
    insta::assert_json_snapshot!(crate::json::tree(&tree(text)));
}

/// The expressions of Prometheus' own scripts, with whether they are expected to fail.
fn recorded(folder: &std::path::Path) -> Vec<(String, bool, String)> {
    let mut all = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let Some(expr) = evaluated(line) else { continue };
            let mut fails = line.starts_with("eval_fail");
            while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with([' ', '\t'])) {
                fails |= line.trim_start().starts_with("expect fail");
            }
            all.push((format!("{name}:{}", number + 1), fails, expr.to_owned()));
        }
    }
    all
}

/// The expression of a line such as `eval instant at 5m sum(x)`.
fn evaluated(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("eval")?.split_once(' ')?.1.trim_start();
    let skipped = if words.starts_with("instant") { 3 } else { 7 };
    for _ in 0..skipped {
        words = words.split_once([' ', '\t'])?.1.trim_start();
    }
    Some(words)
}

#[test]
fn expressions_of_prometheus_own_scripts_parse() {
    let Some(folder) = hinomi_testkit::cases("promql expressions") else { return };
    let cases = recorded(&folder.join("conformance/promql/cases"));
    assert!(cases.len() > 1_000, "{}", cases.len());
    for (place, fails, text) in cases {
        match parse(&text, ALL) {
            Ok(tree) => {
                let printed = tree.to_string();
                assert_eq!(self::tree(&printed).to_string(), printed, "{place}: {text}");
                assert_eq!(self::tree(&pretty(&tree)).to_string(), printed, "{place}: {text}");
            }
            // What fails may fail here or when it is evaluated.
            Err(errors) => assert!(fails, "{place}: {text}: {errors}"),
        }
    }
}

/// Pieces that texts are put together from.
const PIECES: [&str; 40] = [
    "foo",
    "sum",
    "rate",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    "+",
    "-",
    "^",
    "==",
    "bool",
    "on",
    "by",
    "group_left",
    "offset",
    "@",
    "start()",
    "5m",
    "1",
    "\"a\"",
    "=~",
    "=",
    ":",
    "step()",
    "min_of(",
    "anchored",
    "fill(1)",
    " ",
    "\n",
    "#",
    "$",
    "'",
    "`",
    "\\",
    "\u{e4}",
    "0x",
];

proptest! {
    #[test]
    fn pieces_never_panic_and_print(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24)) {
        let text = pieces.join(" ");
        let (tree, errors) = parse_partly(&text, ALL);
        for error in &errors {
            prop_assert!(error.span.start <= error.span.end && error.span.end as usize <= text.len(), "{error:?}");
        }
        let printed = tree.to_string();
        let _unseen = (pretty(&tree), crate::json::tree(&tree));
        if errors.is_empty() {
            prop_assert_eq!(&self::tree(&printed).to_string(), &printed);
        }
    }

    #[test]
    fn wild_texts_never_panic(text in "\\PC{0,60}") {
        let _unseen = (parse_partly(&text, ALL), parse_selector(&text).is_ok());
    }
}
