//! How long `bolt run --rm --network none IMAGE` takes, against the least it can take
//! (`floor.c`), bubblewrap with the same mounts and filter, and podman.

mod runner;

use runner::images;
use runner::living::Living;
use runner::meter::{Case, Meter, interleave};
use runner::parts::Parts;
use runner::peers::{self, Podman};
use runner::people::Person;
use runner::report::Report;
use std::path::{Path, PathBuf};

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("start", &parts.bolt);
    let image = images::ten_layers(&parts);
    let user = Person::new(&parts.dir, "user");
    let alone = Person::new(&parts.dir, "alone").with("MEASURE_NNP", "1");
    let id = parts.pull(&user, &image.name);
    // Under no_new_privs: the user's one id, in a store of its own layout.
    runner::output(
        std::process::Command::new("setpriv").arg("--no-new-privs").args(as_words(&alone)).args([
            parts.bolt.as_os_str(),
            "pull".as_ref(),
            "--quiet".as_ref(),
            image.name.as_ref(),
        ]),
    );
    let filter = parts.filter(&user, &id);
    let podman = Podman::new(&user, &image.name);
    runner::host::wait_for_quiet(&parts.dir);
    report.line(&format!(
        "{}; data on {}, runtime files on {}; C by {}; filter {} instructions",
        podman.about,
        runner::host::file_system(&parts.dir),
        runner::host::file_system(&parts.memory),
        parts.compiler,
        std::fs::metadata(&filter).map_or(0, |m| m.len() / 8)
    ));
    let bench = Bench { parts: &parts, trees: &image.trees, id, filter };
    bench.first(&mut report, &user, &podman);
    bench.beside(&mut report, &user, &alone);
    bench.big(&mut report, &user);
    report.write();
}

fn as_words(person: &Person) -> Vec<String> {
    let command = person.command("env");
    let mut words: Vec<String> = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.extend(
        command
            .get_envs()
            .filter_map(|(k, v)| Some(format!("{}={}", k.to_string_lossy(), v?.to_string_lossy()))),
    );
    words
}

struct Bench<'a> {
    parts: &'a Parts,
    trees: &'a Path,
    /// An `oci:` name would be resolved anew at each run; an id is what a store knows.
    id: String,
    filter: PathBuf,
}

impl Bench<'_> {
    fn floor(&self, mode: &str, probe: &[&str]) -> Vec<String> {
        let (data, run) = (self.parts.dir.join("floor"), self.parts.memory.join("floor"));
        let mut words = vec![self.parts.floor.display().to_string(), mode.into(), "-O".into()];
        for path in [self.trees, &data, &run, &self.filter] {
            words.push(path.display().to_string());
        }
        words.extend(probe.iter().map(|w| (*w).to_owned()));
        words
    }

    fn bolt(&self, image: &str, probe: &[&str]) -> Vec<String> {
        let bolt = self.parts.bolt.display().to_string();
        let mut words: Vec<String> =
            [&bolt, "run", "--rm", "--network", "none", image].map(str::to_owned).to_vec();
        words.extend(probe.iter().map(|w| (*w).to_owned()));
        words
    }

    fn meter(&self, person: &Person) -> Meter {
        for dir in [self.parts.dir.join("floor"), self.parts.memory.join("floor")] {
            person.own_dir(&dir);
        }
        Meter::start(person, &self.parts.measure, &self.parts.dir)
    }

    /// Nothing of the user's runs: Bolt makes the user namespace of all containers each time.
    fn first(&self, report: &mut Report, user: &Person, podman: &Podman) {
        let mut meters = [self.meter(user)];
        let run = ["run", "--rm", "--network", "none", podman.image(), "/probe"];
        let mut cases = [
            case("floor p -O", 0, self.floor("p", &["/probe"])),
            case("bolt, first container", 0, self.bolt(&self.id, &["/probe"])),
            case("podman", 0, podman.command(&run)),
        ];
        interleave(&mut meters, &mut cases, runner::rounds(20));
        report.table("first container, whole id range, 10 layers", &cases);
        let [floor, bolt, podman] = &cases;
        report.note("first container / floor p -O, of the minima", bolt.least() / floor.least());
        report.limit("first container / floor p -O, wall", bolt.wall() / floor.wall(), 1.25);
        report.limit("first container / podman, wall", bolt.wall() / podman.wall(), 1.0 / 20.0);
        report.limit("first container / podman, CPU", bolt.cpu() / podman.cpu(), 1.0 / 8.0);
    }

    /// One container of the user's runs; and a user with one id only.
    fn beside(&self, report: &mut Report, user: &Person, alone: &Person) {
        let merged = self.merged();
        let files = self.parts.dir.join("bwrap");
        user.own_dir(&files);
        let sandbox = user.with("MEASURE_FD9", self.filter.display().to_string());
        let mut meters = [self.meter(user), self.meter(alone), self.meter(&sandbox)];
        let living = Living::start(self.parts, user, &self.id, "living");
        let mut cases = [
            case("floor s -O", 0, self.floor("s", &["/probe", "one"])),
            case("floor j -O", 0, self.floor(&format!("j:{}", living.supervisor), &["/probe"])),
            case("bolt, beside a living container", 0, self.bolt(&self.id, &["/probe"])),
            case("bolt, one id", 1, self.bolt(&self.id, &["/probe", "one"])),
            case("bwrap, equal mounts and filter, no overlay", 2, peers::bwrap(&merged, &files)),
            case(
                "bolt --version",
                0,
                vec![self.parts.bolt.display().to_string(), "--version".into()],
            ),
        ];
        interleave(&mut meters, &mut cases, runner::rounds(20));
        report.table("beside a living container, and with one id, 10 layers", &cases);
        let [floor, _, beside, one, bwrap, _] = &cases;
        report.note(
            "beside a living container / floor s -O, of the minima",
            beside.least() / floor.least(),
        );
        report.note(
            "beside a living container / bwrap, of the minima",
            beside.least() / bwrap.least(),
        );
        report.limit("beside a living container / floor s -O", beside.wall() / floor.wall(), 1.4);
        report.limit("one id / floor s -O", one.wall() / floor.wall(), 1.4);
        report.limit("beside a living container / bwrap", beside.wall() / bwrap.wall(), 1.1);
        report.limit("one id / bwrap", one.wall() / bwrap.wall(), 1.1);
    }

    /// The size of an image is nothing to a start.
    fn big(&self, report: &mut Report, user: &Person) {
        let big = images::two_gigabytes(self.parts);
        let small = images::one_layer(self.parts);
        let [big, small] = [&big, &small].map(|image| self.parts.pull(user, &image.name));
        let mut meters = [self.meter(user)];
        let _living = Living::start(self.parts, user, &self.id, "living");
        let mut cases = [
            case("bolt, busybox", 0, self.bolt(&small, &["/probe"])),
            case("bolt, 12 layers of 2 GB", 0, self.bolt(&big, &["/probe"])),
        ];
        interleave(&mut meters, &mut cases, runner::rounds(20));
        report.table("size of the image, beside a living container", &cases);
        report.limit("2 GB image / busybox", cases[1].wall() / cases[0].wall(), 1.1);
    }

    /// The layers as one plain directory.
    fn merged(&self) -> PathBuf {
        let to = self.parts.dir.join("merged");
        for layer in 0..10 {
            let from = self.trees.join(format!("{layer:02}"));
            runner::run("cp", &["-a", &format!("{}/.", from.display()), &to.display().to_string()]);
        }
        to
    }
}

fn case(name: &str, meter: usize, words: Vec<String>) -> Case {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Case::new(name, meter, &words)
}
