//! Options end where IMAGE stands: what follows is the container's, as podman-run(1) has it.

use crate::harness::user::IMAGE;

#[test]
fn what_follows_the_image_is_the_containers() {
    let s = session!();
    let echo = ["--entrypoint", "/bin/echo"];
    for words in
        [&["-c", "x"][..], &["--help"], &["--env", "FOO=1", "rest"], &["--privileged", "-v"]]
    {
        let out =
            s.run(&[&["run", "--rm", "--network", "none"][..], &echo, &[IMAGE], words].concat());
        let want = format!("{}\n", words.join(" "));
        assert_eq!((out.code, out.out), (0, want), "{words:?}");
    }
    s.ok(&["create", "--name", "c", IMAGE, "--privileged", "sh"]);
    let created = [".HostConfig.Privileged", "join .Config.Cmd \" \""].map(|f| s.inspect("c", f));
    assert_eq!(created, ["false", "--privileged sh"]);
}
