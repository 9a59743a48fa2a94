//! Image lists under construction: one small file a name, in the form of `image::list`.
//!
//! `lists/<encoded full name>`. They are no images: nothing can be run from one before it is
//! pushed, and gc looks at none of them.

use super::files::{is_temporary, lock_named};
use super::names::encode;
use super::{Result, Store};
use crate::sys::atomic::Sync;
use rustix::fs::{AtFlags, unlinkat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::os::fd::OwnedFd;

const FOLDER: &str = "lists";

/// Keeps others from changing a list until it is dropped.
#[derive(Debug)]
pub struct ListGuard {
    dir: OwnedFd,
    lock: String,
    _file: File,
}

impl Drop for ListGuard {
    fn drop(&mut self) {
        // Who waits for it looks whether the file still has its name.
        let _ = unlinkat(&self.dir, &self.lock, AtFlags::empty());
    }
}

impl Store {
    /// The list with this full name.
    pub fn list_of<T: DeserializeOwned>(&self, full_name: &str) -> Result<Option<T>> {
        self.read_json(&format!("{FOLDER}/{}", encode(full_name)))
    }

    /// Waits until nobody else changes the list.
    pub fn lock_list(&self, full_name: &str) -> Result<ListGuard> {
        self.make_folder(FOLDER)?;
        let dir = self.folder(FOLDER)?;
        let lock = format!(".lock-{}", encode(full_name));
        let path = format!("{FOLDER}/{lock}");
        let file = lock_named(&dir, &lock).map_err(|e| self.io("lock", &path, e))?;
        Ok(ListGuard { dir, lock, _file: file })
    }

    /// Writes a list, new or changed.
    pub fn put_list<T: Serialize>(
        &self,
        _guard: &ListGuard,
        full_name: &str,
        list: &T,
    ) -> Result<()> {
        self.write_json(FOLDER, &encode(full_name), list, Sync::Durable)
    }

    /// Takes a list away; `false` when there was none.
    pub fn remove_list(&self, full_name: &str) -> Result<bool> {
        self.unlink(&format!("{FOLDER}/{}", encode(full_name)))
    }

    /// All readable lists.
    pub fn lists<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for file in self.list(FOLDER)?.into_iter().filter(|f| !is_temporary(f)) {
            if let Ok(Some(list)) = self.read_json(&format!("{FOLDER}/{file}")) {
                found.push(list);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn lists_are_kept_by_name_and_leave_no_lock() {
        let scratch = Scratch::new("lists");
        let store = Store::open(scratch.path()).unwrap();
        let name = "quay.io/a/b:1";
        assert!(store.list_of::<String>(name).unwrap().is_none());
        let guard = store.lock_list(name).unwrap();
        store.put_list(&guard, name, &"text").unwrap();
        drop(guard);
        assert_eq!(store.list_of::<String>(name).unwrap().unwrap(), "text");
        assert_eq!(store.lists::<String>().unwrap(), ["text"]);
        assert_eq!(std::fs::read_dir(scratch.path().join("lists")).unwrap().count(), 1);
        assert!(store.remove_list(name).unwrap() && !store.remove_list(name).unwrap());
    }
}
