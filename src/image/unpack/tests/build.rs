//! A tar builder that writes anything it is told, lies included.

/// A tar under construction.
#[derive(Default)]
pub(super) struct Tar(Vec<u8>);

/// One header, ustar unless told otherwise.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) bytes: [u8; 512],
}

impl Head {
    pub(super) fn new(name: &str, kind: u8) -> Self {
        let mut head = Head { bytes: [0; 512] };
        head.put(0, &name.as_bytes()[..name.len().min(100)]);
        head.put(100, if kind == b'5' { b"0000755\0" } else { b"0000644\0" });
        head.put(108, b"0000000\0").put(116, b"0000000\0");
        head.put(124, b"00000000000\0").put(136, b"00000001750\0");
        head.put(156, &[kind]).put(257, b"ustar\x0000");
        head
    }
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }
    pub(super) fn size(&mut self, size: u64) -> &mut Self {
        self.put(124, format!("{size:011o}\0").as_bytes())
    }
    pub(super) fn mode(&mut self, mode: u32) -> &mut Self {
        self.put(100, format!("{mode:07o}\0").as_bytes())
    }
    pub(super) fn owner(&mut self, uid: u32, gid: u32) -> &mut Self {
        self.put(108, format!("{uid:07o}\0").as_bytes());
        self.put(116, format!("{gid:07o}\0").as_bytes())
    }
    pub(super) fn link(&mut self, target: &str) -> &mut Self {
        self.put(157, target.as_bytes())
    }
    pub(super) fn device(&mut self, major: u32, minor: u32) -> &mut Self {
        self.put(329, format!("{major:07o}\0{minor:07o}\0").as_bytes())
    }
    fn sealed(&self) -> [u8; 512] {
        let mut bytes = self.bytes;
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes.iter().map(|b| u32::from(*b)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes
    }
}

impl Tar {
    pub(super) fn new() -> Self {
        Tar::default()
    }
    /// A header with a right checksum, and data that need not be as long as the header says.
    pub(super) fn entry(mut self, head: &Head, data: &[u8]) -> Self {
        self.0.extend_from_slice(&head.sealed());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub(super) fn file(self, name: &str, data: &str) -> Self {
        let mut head = Head::new(name, b'0');
        self.entry(head.size(data.len() as u64), data.as_bytes())
    }
    pub(super) fn dir(self, name: &str) -> Self {
        self.entry(&Head::new(name, b'5'), b"")
    }
    pub(super) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(Head::new(name, b'2').link(target), b"")
    }
    pub(super) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(Head::new(name, b'1').link(target), b"")
    }
    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let body: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
        let mut head = Head::new("PaxHeaders/x", b'x');
        self.entry(head.size(body.len() as u64), &body)
    }
    pub(super) fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }
    pub(super) fn unended(self) -> Vec<u8> {
        self.0
    }
}

/// One pax record.
pub(super) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    let mut out = format!("{len} {key}=").into_bytes();
    out.extend_from_slice(value);
    out.push(b'\n');
    out
}
