//! Parts of JSON, taken from its bytes without a tree: the value at a path, and a value without some of its members. The
//! bytes that stay are never changed. It reads only JSON that has been validated, and must not know whose it is.

mod path;
mod prune;

pub use path::{MOST_STEPS, Path, PathError, Picked, Step};
pub use prune::Prune;
