//! Fuzzes the parser of PromQL: what parses has to print, and to parse again to the same.
#![no_main]

use hinomi_query::{Options, json, parse, parse_partly, parse_selector, print};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let options = Options { experimental: true };
    let (tree, errors) = parse_partly(text, options);
    let _selector = parse_selector(text);
    let (printed, _pretty, _json) = (tree.to_string(), print::pretty(&tree), json::tree(&tree));
    if errors.is_empty() {
        let again = parse(&printed, options).expect("what was printed parses");
        assert_eq!(again.to_string(), printed);
    }
});
