//! The library's `run_container` against the command line that it stands for.

mod runner;

use bolt::{BoltConfig, BoltRuntime};
use runner::images;
use runner::median;
use runner::parts::Parts;
use runner::people::Person;
use runner::report::Report;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("library", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let id = parts.pull(&user, &images::one_layer(&parts).name);
    // The program as the ordinary user runs it: both sides of the comparison go through this.
    let program = parts.dir.join("bolt-as-user");
    let line = user.command(&parts.bolt);
    let words: Vec<String> =
        line.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let set = line.get_envs().filter_map(|(name, value)| {
        Some(format!("{}='{}'", name.to_string_lossy(), value?.to_string_lossy()))
    });
    let script = format!(
        "#!/bin/sh\nexec env -i {} {} {} \"$@\"\n",
        set.collect::<Vec<_>>().join(" "),
        line.get_program().to_string_lossy(),
        words.join(" ")
    );
    if let Err(e) = std::fs::write(&program, script)
        .and_then(|()| std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)))
    {
        runner::fail(format_args!("{}: {e}", program.display()));
    }
    let config = BoltConfig { program: Some(program.clone()), ..BoltConfig::default() };
    let runtime = BoltRuntime::with_config(config);
    let command = program.display().to_string();
    let (mut by_library, mut by_command) = (Vec::new(), Vec::new());
    for _ in 0..runner::rounds(40) {
        let begin = Instant::now();
        let run = block_on(runtime.run_container(&id, Some("l"), &[], &[], &[], true));
        by_library.push(begin.elapsed().as_secs_f64() * 1000.0);
        if let Err(e) = run {
            runner::fail(e);
        }
        runner::run(&command, &["rm", "-f", "-t", "0", "l"]);
        let words =
            ["run", "--detach", "--quiet", "--keep-alive", "--name=c", "--replace=exited", &id];
        let begin = Instant::now();
        runner::run(&command, &words);
        by_command.push(begin.elapsed().as_secs_f64() * 1000.0);
        runner::run(&command, &["rm", "-f", "-t", "0", "c"]);
    }
    report.note("run_container, ms, median", median(&by_library));
    report.note("the command line, ms, median", median(&by_command));
    report.limit("added by the library, ms", median(&by_library) - median(&by_command), 2.0);
    report.write();
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
