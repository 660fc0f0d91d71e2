//! Parts of JSON, taken from its bytes without a tree: the value at a path, and a value without some of its members.
//! The bytes that stay are never changed. It reads only JSON that has been validated, and must not know whose it is.
//!
//! Nothing here recurses deeper than a path has steps, so JSON of any depth is safe. JSON that is not valid gives some
//! part or none, but never a panic.

mod cursor;
mod part;
mod path;
mod prune;
mod text;
mod together;

pub use part::{Elements, Kind, Members, elements, kind, members};
pub use path::{MOST_STEPS, Path, PathError, Picked, Step};
pub use prune::Prune;
pub use text::{name, quote, quote_inside, quoted, stands_for, text};
pub use together::find_all;
