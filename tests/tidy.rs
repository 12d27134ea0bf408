//! The house rules, as tests. Each failure names the file and what mends it; what is generated is mended by
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
