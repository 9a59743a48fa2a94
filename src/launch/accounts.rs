//! Who the container's passwd and group are to know: the caller, where he keeps his id, and a user
//! that is given by number. The supervisor leaves out who is there already.

use crate::container::config::{Config, Userns};
use crate::settings::Settings;
use crate::sys::accounts::{self, number};
use bolt_shim::accounts::{Account, Accounts, GID};
use std::path::Path;

/// What stands in a line of passwd(5).
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: &'a str,
    /// The whole name.
    title: &'a str,
    home: &'a str,
}

/// Nothing for a container without a wish of its own, and for users that are given by name.
pub(super) fn plan(settings: &Settings, config: &Config) -> Accounts {
    let mut accounts = Accounts::default();
    if config.process.no_passwd {
        return accounts;
    }
    if let Userns::KeepId { uid, gid } = config.userns
        && settings.dirs.uid != 0
    {
        add_caller(&mut accounts, settings, config, uid, gid);
    }
    add_number(&mut accounts, config);
    accounts
}

fn add_caller(accounts: &mut Accounts, settings: &Settings, config: &Config, uid: u32, gid: u32) {
    let dirs = &settings.dirs;
    let entry = accounts::line("/etc/passwd", dirs.uid).unwrap_or_default();
    let field = |n: usize| entry.get(n).map_or("", String::as_str);
    let (name, own_home) = (dirs.user(), field(5));
    let is_mounted = own_home.starts_with('/')
        && config.mounts.iter().any(|m| Path::new(own_home).starts_with(&m.target));
    let user = User {
        name,
        uid,
        gid: &gid.to_string(),
        title: field(4).split(',').next().unwrap_or_default(),
        home: if is_mounted { own_home } else { home(config) },
    };
    accounts.passwd.push(account(name, uid, line(config, &user)));
    let group = accounts::line("/etc/group", dirs.gid).and_then(|fields| fields.into_iter().next());
    let group = group.as_deref().unwrap_or(name);
    accounts.group.push(account(group, gid, format!("{group}:x:{gid}:{name}")));
}

/// As podman has it, the group of a user without one gets the user's number, though the program
/// runs in group 0. Unlike podman's it has no member: the user would be in it by its line alone.
fn add_number(accounts: &mut Accounts, config: &Config) {
    let user = config.process.user.as_str();
    let (user, group) = user.split_once(':').unwrap_or((user, user));
    let kept = |list: &[Account], id: u32| list.iter().any(|account| account.id == id);
    if let Some(uid) = number(user).filter(|uid| !kept(&accounts.passwd, *uid)) {
        let home = home(config);
        let user = User { name: user, uid, gid: GID, title: "container user", home };
        accounts.passwd.push(account(user.name, uid, line(config, &user)));
    }
    if let Some(gid) = number(group).filter(|gid| !kept(&accounts.group, *gid)) {
        accounts.group.push(account(group, gid, format!("{gid}:x:{gid}:")));
    }
}

/// The working directory, which an image may have named so that it would be more than a field.
fn home(config: &Config) -> &str {
    let cwd = config.process.cwd.as_str();
    if cwd.contains([':', '\n']) { "/" } else { cwd }
}

fn account(name: &str, id: u32, line: String) -> Account {
    Account { name: name.to_owned(), id, line }
}

fn line(config: &Config, user: &User<'_>) -> String {
    let User { name, uid, gid, title, home } = user;
    match &config.process.passwd_entry {
        Some(own) => own
            .replace("$USERNAME", name)
            .replace("$UID", &uid.to_string())
            .replace(GID, gid)
            .replace("$NAME", title)
            .replace("$HOME", home),
        None => format!("{name}:*:{uid}:{gid}:{title}:{home}:/bin/sh"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::testing;

    fn added(user: &str, entry: Option<&str>) -> (Vec<String>, Vec<String>) {
        let mut config = testing::config("0", "x");
        config.process.user = user.to_owned();
        config.process.cwd = "/srv".to_owned();
        config.process.passwd_entry = entry.map(str::to_owned);
        let mut accounts = Accounts::default();
        add_number(&mut accounts, &config);
        let lines = |list: Vec<Account>| list.into_iter().map(|a| a.line).collect();
        (lines(accounts.passwd), lines(accounts.group))
    }

    #[test]
    fn a_user_or_group_by_number_gets_podmans_lines() {
        let passwd = "4711:*:4711:$GID:container user:/srv:/bin/sh";
        for (user, want_passwd, want_group) in [
            ("4711", Some(passwd), Some("4711:x:4711:")),
            ("4711:12", Some(passwd), Some("12:x:12:")),
            ("4711:video", Some(passwd), None),
            ("gamer:12", None, Some("12:x:12:")),
            ("gamer", None, None),
            ("", None, None),
            ("+5", None, None),
        ] {
            let (passwd, group) = added(user, None);
            assert_eq!(passwd.iter().map(String::as_str).next(), want_passwd, "{user}");
            assert_eq!(group.iter().map(String::as_str).next(), want_group, "{user}");
        }
    }

    #[test]
    fn the_line_may_be_the_callers_own() {
        let (passwd, _) = added("7:8", Some("me:*:$UID:$GID:$NAME, $USERNAME:$HOME:/bin/ash"));
        assert_eq!(passwd, ["me:*:7:$GID:container user, 7:/srv:/bin/ash"]);
    }
}
