//! What a person reads when something is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use hinomi_config::{Problems, Value, decode, parse};

/// Decodes a small settings text that uses every decoder and gives back what a terminal would show.
fn report(text: &str) -> String {
    let env = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
    let problems = Problems::new("app.yaml");
    let tree = parse(text, &problems);
    if let Some(mut map) = Value::root(&tree, &problems).map() {
        let _ = map.take("listen", decode::socket_addr);
        let _ =
            map.take("keep", decode::duration_within(Duration::from_secs(1)..=Duration::from_secs(86_400)));
        let _ = map.take("disk", decode::size);
        let _ = map.take("workers", decode::integer(1..=16));
        let _ = map.take("verbose", decode::boolean);
        let _ = map.take("mode", decode::one_of(&[("fast", 1), ("careful", 2)]));
        let _ = map.take("data_dir", decode::absolute_path);
        let _ = map.take("token", decode::secret(&env));
        let _ = map.take_list("targets", |target| {
            let mut map = target.map()?;
            let name = map.require("name", "web", decode::name);
            let url = map.require("url", "https://example.com/", decode::url);
            map.finish();
            Some((name?, url?))
        });
        map.finish();
    }
    let (problems, _) = problems.into_sorted();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn all_problems_at_once() {
    insta::assert_snapshot!(report(
        r#"lisen: 127.0.0.1:80
listen: 80
keep: 15
disk: ten
workers: 17
verbose: "true"
mode: fats
data_dir: data
token: { env: NONE }
targets:
  - name: a
    url: exmaple
  - { url: "ftp://example.com", nmae: b }
  - 5
disk: 1GiB
"#
    ), @r#"
    app.yaml:1:1: lisen: unknown key; did you mean "listen"?
    app.yaml:2:9: listen: not an IP address with a port: "80"; write it like 127.0.0.1:80 or "[::1]:80"
    app.yaml:3:7: keep: not a duration: "15"; write it with a unit, like 500ms, 10s, 1h30m, 15d or 13mo
    app.yaml:4:7: disk: not a size: "ten"; write it with a unit, like 512MiB, 10GiB or 1GB
    app.yaml:5:10: workers: 17 is out of range; write one from 1 to 16
    app.yaml:6:10: verbose: expected true or false, found "true"; write `true` or `false`, without quotes
    app.yaml:7:7: mode: unknown word "fats"; did you mean "fast"?
    app.yaml:8:11: data_dir: not an absolute path: "data"; begin it with `/`
    app.yaml:9:8: token: the environment variable "NONE" is not set; set it, or use `{ file: /path }`
    app.yaml:12:10: targets[0].url: not a URL: "exmaple"; write it like https://example.com/hook
    app.yaml:13:5: targets[1]: the key `name` is missing; add `name: web`
    app.yaml:13:12: targets[1].url: a ftp URL is of no use here; write it like https://example.com/hook
    app.yaml:13:33: targets[1].nmae: unknown key; did you mean "name"?
    app.yaml:14:5: targets[2]: expected a map, found "5"; write it like `key: value`
    app.yaml:15:1: the key "disk" stands here twice; keep one of them
    "#);
}

#[test]
fn yaml_that_is_refused() {
    let table = [
        ("anchor and alias", "a: &x 1\nb: *x\n"),
        ("merge key", "<<: { a: 1 }\n"),
        ("tag", "mode: !!str fast\n"),
        ("second document", "mode: fast\n---\nmode: fast\n"),
        ("a list as the whole", "- 1\n- 2\n"),
        ("a text as the whole", "hello\n"),
        ("a map as a key", "? { a: 1 }\n: 2\n"),
        ("open bracket", "targets: [\n"),
        ("wrong indentation", "targets:\n  - name: a\n url: b\n"),
        ("tab", "targets:\n\t- name: a\n"),
        ("control character", "mode: fa\u{7}st\n"),
        ("a list item without value", "targets:\n  -\n"),
        ("a map where a word belongs", "mode: { a: 1 }\n"),
    ];
    let all: String = table.iter().map(|(what, text)| format!("# {what}\n{}", report(text))).collect();
    insta::assert_snapshot!(all, @r#"
    # anchor and alias
    app.yaml:1:1: a: unknown key; known here: listen, keep, disk, workers, verbose, mode, data_dir, token, targets
    app.yaml:1:4: an anchor (`&name`); write the value out where it is needed
    app.yaml:2:1: b: unknown key; known here: listen, keep, disk, workers, verbose, mode, data_dir, token, targets
    app.yaml:2:4: an alias (`*name`); write the value itself
    # merge key
    app.yaml:1:1: a merge key (`<<`); write the keys themselves
    # tag
    app.yaml:1:7: a tag (`!name`); leave it out
    # second document
    app.yaml:2:1: a second document; write everything in one document
    # a list as the whole
    app.yaml:1:1: expected a map, found a list; write it like `key: value`
    # a text as the whole
    app.yaml:1:1: expected a map, found "hello"; write it like `key: value`
    # a map as a key
    app.yaml:1:3: a key must be a word; write it like `key: value`
    # open bracket
    app.yaml:2:1: not valid YAML: while parsing a node, did not find expected node content; check the indentation, the quotes and the brackets around this place
    # wrong indentation
    app.yaml:3:2: not valid YAML: while parsing a block mapping, did not find expected key; check the indentation, the quotes and the brackets around this place
    # tab
    app.yaml:2:2: not valid YAML: tabs disallowed within this context (block indentation); check the indentation, the quotes and the brackets around this place
    # control character
    app.yaml:1:9: a character that YAML does not allow; write the file as plain UTF-8 text
    # a list item without value
    app.yaml:2:4: targets[0]: the key `name` is missing; add `name: web`
    app.yaml:2:4: targets[0]: the key `url` is missing; add `url: https://example.com/`
    # a map where a word belongs
    app.yaml:1:7: mode: expected a word, found a map; write it on the same line, in quotes if it has special characters
    "#);
}

#[test]
fn what_is_fine_has_no_problem() {
    for text in [
        "",
        "# only a comment\n",
        "---\nlisten: localhost:80\n...\n",
        "listen: \"[::1]:80\"\nkeep: 1h30m\ndisk: 1.5GiB\nworkers: 16\nverbose: true\nmode: careful\n",
        "listen:\ntargets:\n",
        "token: { env: TOKEN }\ndata_dir: /var/lib/x\ntargets: [{ name: \"日本\", url: \"https://e.com/h\" }]\n",
        "\u{feff}mode: fast\n",
        "mode: fast\r\nworkers: 1\r\n",
    ] {
        assert_eq!(report(text), "", "{text:?}");
    }
}

#[test]
fn secrets_stay_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "hunter2\n").unwrap();
    let get = |text: &str| {
        let env = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
        let problems = Problems::new("app.yaml");
        let tree = parse(text, &problems);
        let mut map = Value::root(&tree, &problems).map().unwrap();
        let secret = map.take("token", decode::secret(&env));
        assert_eq!(problems.into_sorted().0, []);
        secret.unwrap()
    };
    let file = format!("token: {{ file: {} }}", path.display());
    for text in ["token: hunter2", "token: { env: TOKEN }", &file] {
        let secret = get(text);
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "<secret> <secret>");
    }
    let shown = report("targets: [{ name: a, url: \"htp//user:hunter2@example.com\" }]\n");
    assert!(shown.contains("not a URL;") && !shown.contains("hunter2"), "{shown}");
    for text in ["token: { file: /does/not/exist }", "token: { file: a, env: b }", "token: {}", "token: ''"] {
        assert!(!report(text).is_empty(), "{text}");
    }
}

#[test]
fn limits_hold() {
    let deep = format!("targets: {}", "[".repeat(60));
    let many = "- a\n".repeat(hinomi_config::NODES_MAX + 1);
    let long = format!("# {}\n", "x".repeat(hinomi_config::TEXT_MAX_BYTES));
    let wrong: String = (0..500).map(|i| format!("wrong{i}: 1\n")).collect();
    assert!(report(&deep).contains("nested deeper than 32 levels"), "{}", report(&deep));
    assert!(report(&many).contains("more than 65536 values"), "{}", report(&many));
    assert!(report(&long).contains("the limit is 1048576"), "{}", report(&long));
    assert_eq!(report(&wrong).lines().count(), 101);
    assert!(report(&wrong).contains("400 more problems are not shown"));
}

#[test]
fn what_is_emitted_is_read_back() {
    let words =
        ["a", "null", "", "a: b", "#x", "é\"\\", "tab\there", "- x", "yes", "01", "[x", "http://e.com/#a"];
    let mut emitter = hinomi_config::emit::Emitter::new();
    emitter.list("items", &words, |e, word| {
        e.entry("first", word);
        e.map("sub", |e| e.entry("second", word));
    });
    let text = emitter.finish();
    let problems = Problems::new("emitted");
    let tree = parse(&text, &problems);
    let mut map = Value::root(&tree, &problems).map().unwrap();
    let read = map.take_list("items", |item| {
        let all: BTreeMap<_, _> = item.map()?.entries().into_iter().collect();
        let second = all.get("sub")?.map()?.take("second", decode::string)?;
        Some((all.get("first")?.scalar()?.0.to_owned(), second))
    });
    let expected: Vec<_> = words.iter().map(|w| ((*w).to_owned(), (*w).to_owned())).collect();
    assert_eq!(read, Some(expected), "{text}");
}

mod arbitrary {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn text_never_panics(text in "\\PC{0,80}") {
            let _ = report(&text);
        }

        #[test]
        fn yaml_like_text_never_panics(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("targets"), Just("listen"), Just("url"), Just(": "), Just(":"), Just("\n"), Just("\n  "),
                    Just("- "), Just("-"), Just("["), Just("]"), Just("{"), Just("}"), Just(","), Just("? "),
                    Just("&a "), Just("*a"), Just("!!t "), Just("!"), Just("%YAML 1.2"), Just("---"), Just("..."),
                    Just("|\n"), Just(">-\n"), Just("'"), Just("\""), Just("\\"), Just("#"), Just("\t"), Just("é"),
                    Just("<<"), Just("~"), Just("10s"), Just("\u{0}"), Just("\u{feff}"), Just("\r"), Just("@"),
                ],
                0..40,
            )
        ) {
            let _ = report(&parts.concat());
        }
    }
}
