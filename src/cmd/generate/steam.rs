//! `bolt generate steam`: the launch line of a game.

use crate::cmd::game::wishes::Wishes;
use crate::settings::Settings;
use crate::steam;
use crate::ui::print;
use crate::wrap::quoted;
use anyhow::{Context, bail};

/// Print the line for a game's launch options in Steam
///
/// Paste it into Properties, General, Launch Options of the game. Bolt stands in it with its full
/// path: Steam starts games with a PATH of its own.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    wishes: Wishes,
    /// Do not start the game unless every setting is applied
    #[arg(long)]
    strict: bool,
    /// The game's number: it stands in the address of its page in the store
    #[arg(value_name = "APPID")]
    appid: u32,
}

/// Prints the line; on standard error, which game that is.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let mut words = vec![program()?, "game".into(), "wrap".into()];
    for wish in &args.wishes.0 {
        wish.check().with_context(|| wish.named().flag)?;
        words.extend(wish.words().context("a launch option is text in UTF-8")?);
    }
    if args.strict {
        words.push("--strict".into());
    }
    if words.iter().any(|word| word.contains(['\n', '%'])) {
        bail!("a launch option is one line, and % in it belongs to Steam; leave both out");
    }
    words.extend(["--".into(), "%command%".into()]);
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    match steam::name_of(args.appid, &steam::roots(&settings.dirs.home))? {
        Some(name) => print::note(&format!("{}: {name}", args.appid)),
        None => print::warning(&format!("{}: no such game is installed here", args.appid)),
    }
    print::stdout(&format!("{}\n", words.join(" ")))?;
    Ok(0)
}

fn program() -> anyhow::Result<String> {
    let program = std::env::current_exe().context("find this program")?;
    program.to_str().map(str::to_owned).with_context(|| {
        format!("{}: Steam's launch options are text in UTF-8; move bolt", program.display())
    })
}
