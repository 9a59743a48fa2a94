//! What GhostForge does with the library, call by call and in its order (its
//! `src/bolt_integration.rs` and `src/gui.rs`, with the lines beside the calls): a program of its
//! own, on tokio with several threads, with its mistakes.
//!
//! `play ID INSTALL COMMAND [OPTION...]` launches a game, `stop ID` stops it, `init` is what every
//! other verb of GhostForge does, `list` and `foreground` are the documentation's.

use bolt::{BoltFileBuilder, BoltRuntime};
use std::process::ExitCode;
use std::sync::Arc;

/// A profile of GhostForge, as far as its launch looks at it.
struct Profile {
    proton_version: Option<String>,
    launch_options: Vec<String>,
}

struct BoltGameManager {
    runtime: Arc<BoltRuntime>,
}

impl BoltGameManager {
    fn new() -> Result<Self, String> {
        // :150
        let runtime = BoltRuntime::new().map_err(|e| format!("Failed to create runtime: {e}"))?;
        Ok(BoltGameManager { runtime: Arc::new(runtime) })
    }

    async fn launch_game(
        &self,
        game_id: &str,
        install: &str,
        command: &str,
        profile: &Profile,
    ) -> Result<String, bolt::BoltError> {
        // :246
        self.runtime.setup_gaming(profile.proton_version.as_deref(), Some("win10")).await?;
        let env_vars = environment(game_id, profile);
        let container = format!("ghostforge-{game_id}");
        let image = std::env::var("IMAGE").unwrap_or("bolt://gaming-optimized:latest".to_owned());
        // :261, the volumes in the place of the environment and the other way round
        self.runtime
            .run_container(
                &image,
                Some(&container),
                &[],
                &[format!("{install}:/game")],
                &env_vars,
                true,
            )
            .await?;
        // :272
        self.runtime.launch_game(command, &profile.launch_options).await?;
        Ok(container)
    }

    async fn stop_game(&self, game_id: &str) -> Result<(), bolt::BoltError> {
        // :551
        self.runtime.stop_container(&format!("ghostforge-{game_id}")).await
    }
}

/// :420
fn environment(game_id: &str, profile: &Profile) -> Vec<String> {
    let mut env = vec![
        "DISPLAY=:0".to_owned(),
        "NVIDIA_VISIBLE_DEVICES=all".to_owned(),
        "NVIDIA_DLSS_ENABLED=1".to_owned(),
        "__GL_YIELD=USLEEP".to_owned(),
    ];
    if let Some(proton) = &profile.proton_version {
        env.push(format!("PROTON_VERSION={proton}"));
    }
    env.push("WINEARCH=win64".to_owned());
    env.push(format!("WINEPREFIX=/wine-prefix/{game_id}"));
    env.extend(profile.launch_options.iter().filter(|o| o.contains('=')).cloned());
    env
}

async fn act(words: Vec<String>) -> Result<String, String> {
    let manager = Arc::new(BoltGameManager::new()?);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["init"] => Ok("initialized".to_owned()),
        ["play", game_id, install, command, options @ ..] => {
            let profile = Profile {
                proton_version: std::env::var("PROTON").ok(),
                launch_options: options.iter().map(|o| (*o).to_owned()).collect(),
            };
            let (id, install) = ((*game_id).to_owned(), (*install).to_owned());
            let command = (*command).to_owned();
            // gui.rs:1500: on another thread than this one
            tokio::spawn(
                async move { manager.launch_game(&id, &install, &command, &profile).await },
            )
            .await
            .map_err(|e| e.to_string())?
            .map_err(told)
        }
        ["stop", game_id] => {
            manager.stop_game(game_id).await.map_err(told).map(|()| "stopped".to_owned())
        }
        ["foreground", image, name] => {
            let run = manager.runtime.run_container(image, Some(name), &[], &[], &[], false).await;
            run.map_err(told).map(|()| "ended".to_owned())
        }
        ["list"] => {
            let list = manager.runtime.list_containers(true).await.map_err(told)?;
            let row = |c: bolt::ContainerInfo| format!("{} {}", c.name, c.status);
            Ok(list.into_iter().map(row).collect::<Vec<_>>().join("\n"))
        }
        ["rest", name] => {
            let runtime = &manager.runtime;
            runtime.restart_container(name, 0).await.map_err(told)?;
            if runtime.remove_container(name, false).await.is_ok() {
                return Err("a running container was removed".to_owned());
            }
            runtime.remove_container(name, true).await.map_err(told)?;
            let gone = runtime.remove_container(name, true).await.map_err(told);
            Ok(format!("{} {}", runtime.version().await.map_err(told)?, gone.unwrap_err()))
        }
        ["events", image, name] => {
            let containers = vec![(*name).to_owned()];
            let filter = bolt::EventFilter { containers, ..bolt::EventFilter::default() };
            let mut events = manager.runtime.events(&filter).await.map_err(told)?;
            let run = manager.runtime.run_container(image, Some(name), &[], &[], &[], false).await;
            run.map_err(told)?;
            let mut statuses = Vec::new();
            while let Some(event) = events.next().await {
                let event = event.map_err(told)?;
                statuses.push(event.status);
                if let Some(code) = event.exit_code {
                    statuses.push(code.to_string());
                    break;
                }
            }
            Ok(statuses.join(" "))
        }
        ["odd-events"] => {
            let kinds = vec!["planet".to_owned()];
            let filter = bolt::EventFilter { kinds, ..bolt::EventFilter::default() };
            let mut events = manager.runtime.events(&filter).await.map_err(told)?;
            match events.next().await {
                Some(Err(error)) => Err(told(error)),
                other => Err(format!("{other:?}")),
            }
        }
        ["pull", image] => {
            manager.runtime.pull_image(image).await.map_err(told).map(|()| String::new())
        }
        other => Err(format!("what is {other:?}?")),
    }
}

/// Its kind, and its message, which is all that GhostForge shows.
fn told(error: bolt::BoltError) -> String {
    let kind = format!("{error:?}");
    let kind = kind.split(['(', ' ']).nth(1).unwrap_or_default();
    format!("{kind}: {error}")
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    let _ = BoltFileBuilder::new("imported, and not used");
    match act(std::env::args().skip(1).collect()).await {
        Ok(text) => {
            println!("{text}");
            // A launcher that stays: what kills it must not reach the game.
            if std::env::var_os("STAY").is_some() {
                std::future::pending::<()>().await;
            }
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
