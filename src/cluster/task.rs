//! Runs work whose panic becomes an error.
//!
//! The protocol layer catches panics of its own task. A panic in another task would be lost, or leave the waiting tasks
//! without a result.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use thiserror::Error;

/// The reason for which work has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TaskError {
    #[error("the provider or a library of it crashed: {0}")]
    Panicked(String),

    #[error("the program is ending")]
    Ended,
}

/// Runs blocking work on another thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TaskError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => TaskError::Panicked(message(panic.as_ref())),
        Err(_) => TaskError::Ended,
    })
}

/// Runs a future in the current task, and returns a panic as an error.
pub async fn catch_panic<T>(work: impl Future<Output = T>) -> Result<T, TaskError> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| TaskError::Panicked(message(panic.as_ref())))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_are_errors() {
        let panicked = |text: &str| TaskError::Panicked(text.to_owned());
        let two = 2;
        assert_eq!(
            blocking(|| -> () { panic!("plain") }).await,
            Err(panicked("plain"))
        );
        assert_eq!(
            blocking(move || -> () { panic!("number {two}") }).await,
            Err(panicked("number 2"))
        );
        assert_eq!(
            blocking(|| -> () { std::panic::panic_any(7) }).await,
            Err(panicked("without a message"))
        );
        assert_eq!(
            catch_panic(async { panic!("in a future") }).await,
            Err::<(), _>(panicked("in a future"))
        );
        assert_eq!(blocking(|| 1).await, Ok(1));
        assert_eq!(catch_panic(async { 1 }).await, Ok(1));
    }
}
