//! The async island: one runtime for one transfer, on the calling thread, gone before a process
//! is made.

use crate::image::registry::RegistryError;
use std::rc::Rc;

/// A runtime that the places of one transfer share: connections live on the one that made them.
#[derive(Debug, Clone)]
pub struct Island(Rc<tokio::runtime::Runtime>);

impl Island {
    /// Errors: the kernel gives no descriptors for it.
    pub fn new() -> Result<Self, RegistryError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let setup = |e: std::io::Error| RegistryError::Setup {
            host: "transfers".into(),
            reason: e.to_string(),
        };
        Ok(Island(Rc::new(runtime.map_err(setup)?)))
    }

    /// Drives `work` to its end, and everything that was left unfinished meanwhile.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(work)
    }
}
