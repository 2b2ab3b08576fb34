//! YAML settings with a place for every value: unknown keys refused, all problems reported at once.
//!
//! # In one breath
//!
//! [`parse`] makes a tree of [`Node`]s out of text; [`Value`] walks it and knows where it stands
//! (`receivers[0].webhook.url`, line, column); the functions of [`decode`] turn values into Rust types; [`Map`] tells
//! which keys it was never asked for. Whatever is wrong goes to [`Problems`], and decoding goes on, so that one run
//! shows everything there is to mend.
//!
//! ```
//! use hinomi_config::{Problems, Value, decode, parse};
//!
//! let problems = Problems::new("app.yaml");
//! let tree = parse("listen: 127.0.0.1:80\nlisten_max: 5\n", &problems);
//! let mut map = Value::root(&tree, &problems).map().expect("the root is a map");
//! let listen = map.take("listen", decode::socket_addr);
//! map.finish();
//! assert!(listen.is_some());
//! let texts: Vec<String> = problems.into_sorted().0.iter().map(ToString::to_string).collect();
//! assert_eq!(texts, [r#"app.yaml:2:1: listen_max: unknown key; did you mean "listen"?"#]);
//! ```
//!
//! # Invariants
//!
//! - No domain words: knows durations and sizes, not what they are for.
//! - Never panics, whatever the text; text, depth, nodes and problems are bounded.
//! - A value that came from a secret never appears in a problem.

pub mod decode;
pub mod emit;
mod problem;
mod suggest;
mod tree;
mod value;

pub use decode::{Secret, Size};
pub use problem::{Note, PROBLEMS_MAX, Problem, Problems};
pub use suggest::closest;
pub use tree::{DEPTH_MAX, Mark, NODES_MAX, Node, TEXT_MAX_BYTES, parse};
pub use value::{Map, Value};
