//! Reading, joining, cutting and rotation of logs.

use super::super::dir::Containers;
use super::super::testing::{config, containers};
use super::*;
use crate::sys::atomic::Sync;
use crate::sys::scratch::Scratch;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

fn start() -> (Scratch, Containers, PathBuf) {
    let (scratch, all) = containers();
    let dir = all.create(None, Some("c")).unwrap();
    dir.write_config(&config(dir.id(), "c"), Sync::Fast).unwrap();
    let path = dir.path().to_owned();
    (scratch, all, path)
}

fn line(second: u32, stream: &str, tag: char, text: &str) -> String {
    format!("2026-01-31T10:{:02}:{:02}.5Z {stream} {tag} {text}\n", second / 60, second % 60)
}

fn drain(reader: &mut LogReader) -> String {
    let mut out = String::new();
    reader
        .read(&mut |part| {
            if part.first {
                out.push_str(if part.stderr { "E:" } else { "O:" });
            }
            out.push_str(std::str::from_utf8(part.text).unwrap());
            if part.last {
                out.push('|');
            }
            Ok(())
        })
        .unwrap();
    out
}

fn read(all: &Containers, query: Query) -> String {
    drain(&mut LogReader::open(all.find("c").unwrap(), None, query).unwrap())
}

#[test]
fn parts_are_joined_a_stream_each() {
    let (_scratch, all, path) = start();
    assert_eq!(read(&all, Query::default()), "");
    let text = line(1, "stdout", 'P', "a ")
        + &line(1, "stderr", 'F', "e")
        + &line(2, "stdout", 'F', "b")
        + "not a log line\n"
        + &line(3, "stdout", 'F', "");
    std::fs::write(path.join(LOG), text + "2026-01-31T10:00:04Z stdout F unfini").unwrap();
    assert_eq!(read(&all, Query::default()), "O:a E:e|b|O:|");
}

#[test]
fn tail_counts_lines_from_the_end_over_both_files() {
    let (_scratch, all, path) = start();
    let old: String = (0..5).map(|i| line(i, "stdout", 'F', &format!("old{i}"))).collect();
    let new = line(10, "stdout", 'P', "x")
        + &line(10, "stdout", 'F', "y")
        + &line(11, "stdout", 'F', "z");
    std::fs::write(path.join("log.1"), old).unwrap();
    std::fs::write(path.join(LOG), new).unwrap();
    let tail = |n| read(&all, Query { tail: Some(n), ..Query::default() });
    assert_eq!(tail(0), "");
    assert_eq!(tail(1), "O:z|");
    assert_eq!(tail(2), "O:xy|O:z|");
    assert_eq!(tail(3), "O:old4|O:xy|O:z|");
    assert_eq!(tail(100), read(&all, Query::default()));
}

#[test]
fn tail_of_a_large_log_reads_back_window_by_window() {
    let (_scratch, all, path) = start();
    let mut text = String::new();
    for i in 0..20_000 {
        let _ = write!(text, "{}", line(i % 3600, "stdout", 'F', &format!("n{i}")));
    }
    std::fs::write(path.join(LOG), text).unwrap();
    for count in [1, 3, 1_000, 9_999] {
        let out = read(&all, Query { tail: Some(count), ..Query::default() });
        assert_eq!(out.matches('|').count() as u64, count);
        assert!(out.ends_with("O:n19999|"));
        assert!(out.starts_with(&format!("O:n{}|", 20_000 - count)));
    }
}

#[test]
fn since_and_until_bound_the_time() {
    let (_scratch, all, path) = start();
    let text: String = (0..10).map(|i| line(i, "stdout", 'F', &i.to_string())).collect();
    std::fs::write(path.join(LOG), text).unwrap();
    let at = |text: &str| time::parse(text, 0).ok();
    let query = Query {
        since: at("2026-01-31T10:00:03Z"),
        until: at("2026-01-31T10:00:05.9Z"),
        ..Query::default()
    };
    assert_eq!(read(&all, query), "O:3|O:4|O:5|");
}

#[test]
fn both_kinds_of_rotation_are_followed() {
    let (_scratch, all, path) = start();
    let log = path.join(LOG);
    let append = |text: &str| {
        let mut file = File::options().append(true).create(true).open(&log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&line(1, "stdout", 'F', "one"));
    let mut reader = LogReader::open(all.find("c").unwrap(), None, Query::default()).unwrap();
    assert_eq!(drain(&mut reader), "O:one|");
    append(&line(2, "stdout", 'F', "two"));
    std::fs::rename(&log, path.join("log.1")).unwrap();
    append(&line(3, "stdout", 'F', "three"));
    assert_eq!(drain(&mut reader), "O:two|O:three|");
    assert_eq!(drain(&mut reader), "");
    File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    append(&line(4, "stdout", 'F', "4"));
    assert_eq!(drain(&mut reader), "O:4|");
    // A line that comes in two writes is given once it is whole.
    let whole = line(5, "stderr", 'F', "five");
    append(&whole[..20]);
    assert_eq!(drain(&mut reader), "");
    append(&whole[20..]);
    assert_eq!(drain(&mut reader), "E:five|");
}

#[test]
fn a_log_that_begins_later_is_found() {
    let (_scratch, all, path) = start();
    let mut reader = LogReader::open(all.find("c").unwrap(), None, Query::default()).unwrap();
    assert_eq!(drain(&mut reader), "");
    std::fs::write(path.join(LOG), line(1, "stdout", 'F', "late")).unwrap();
    assert_eq!(drain(&mut reader), "O:late|");
}

#[test]
fn only_a_regular_file_is_read_elsewhere() {
    let (_scratch, all, path) = start();
    let (log, old) = (path.join("elsewhere"), path.join("elsewhere.1"));
    let open = || {
        let dir = all.find("c").unwrap();
        LogReader::open(dir, Some(&log), Query::default()).map(|mut reader| drain(&mut reader))
    };
    let said = |error: Error| format!("{:#}", anyhow::Error::from(error));
    assert_eq!(open().unwrap(), "");
    for place in [&log, &old] {
        std::os::unix::fs::symlink("/dev/zero", place).unwrap();
        let (link, _) = (said(open().unwrap_err()), std::fs::remove_file(place));
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, place, fifo, 0o600.into(), 0).unwrap();
        // A writer, for what would wait for one.
        let _writer = File::options().read(true).write(true).open(place).unwrap();
        let (pipe, _) = (said(open().unwrap_err()), std::fs::remove_file(place));
        for text in [link, pipe] {
            assert!(text.contains("elsewhere") && text.contains("not a regular file"), "{text}");
        }
    }
    std::fs::write(&log, line(1, "stdout", 'F', "a")).unwrap();
    assert_eq!(open().unwrap(), "O:a|");
}

#[test]
fn of_a_line_without_end_only_the_beginning_is_kept() {
    let (_scratch, all, path) = start();
    let mut file = File::create(path.join(LOG)).unwrap();
    file.write_all(line(1, "stdout", 'F', "a").as_bytes()).unwrap();
    file.write_all(b"2026-01-31T10:00:02Z stdout F b").unwrap();
    // A hole, which takes no room on the disk.
    file.set_len(8 << 20).unwrap();
    let mut reader = LogReader::open(all.find("c").unwrap(), None, Query::default()).unwrap();
    assert_eq!(drain(&mut reader), "O:a|");
    assert!(reader.rest.len() <= LONGEST && reader.rest.capacity() < 4 * LONGEST);
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(("\n".to_owned() + &line(3, "stdout", 'F', "c")).as_bytes()).unwrap();
    let text = drain(&mut reader);
    assert!(text.starts_with("O:b\0") && text.ends_with("\0|O:c|") && text.len() < LONGEST + 9);
    let tail = |n| read(&all, Query { tail: Some(n), ..Query::default() });
    assert_eq!((tail(1), tail(2).len()), ("O:c|".to_owned(), text.len()));
    assert!(tail(3).starts_with("O:a|O:b\0"));
}
