//! What the kernel says of itself and of the machine (uname(2)).

/// `uname -m`: `x86_64`, `armv7l`. A 64-bit kernel says so to 32-bit programs too.
pub fn name() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// Major and minor of `uname -r`: `6.1.0-18-amd64` is (6, 1).
pub fn kernel() -> Option<(u32, u32)> {
    release(rustix::system::uname().release().to_str().ok()?)
}

fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        assert!(kernel().is_some_and(|kernel| kernel > (5, 0)));
        assert_eq!(release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(release("6.18-rc3"), Some((6, 18)));
        assert_eq!((release("6"), release("")), (None, None));
    }
}
