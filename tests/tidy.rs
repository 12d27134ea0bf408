//! The conventions of the repository, as tests. Each failure names the file and the solution. To update generated
//! files, run
//!
//! ```text
//! UPDATE_DOCS=1 cargo test --test tidy
//! ```

mod tidy {
    mod documents;
    mod examples;
    mod layers;
    mod layout;
    mod operator;
    mod scanner;
    mod size;
    mod sources;
}
