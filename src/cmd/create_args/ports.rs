//! Flags of `run` and `create` about ports.

use crate::container::config::Network;
use crate::container::ports::Ports;
use crate::net::ports;
use crate::ui::print;

/// They stand in the container's config as [`Ports`].
#[derive(Debug, Default, clap::Args)]
pub struct PortArgs {
    /// Publish ports of the container on the host; without a host port a free one is chosen
    #[arg(
        short,
        long,
        visible_alias = "ports",
        value_name = "[[IP:][HOSTPORT]:]PORT[/PROTOCOL]",
        allow_hyphen_values = true
    )]
    pub publish: Vec<String>,
    /// Publish every exposed port on a free port of the host
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Say that the container serves a port
    #[arg(long, value_name = "PORT[-LAST][/PROTOCOL]")]
    pub expose: Vec<String>,
}

impl PortArgs {
    /// What is published and exposed; `image`: what the image exposes. As podman does it, a
    /// container without a network of its own has no ports, which is told.
    pub fn ports(&self, network: &Network, image: &[String]) -> anyhow::Result<Ports> {
        let wishes = self.publish.iter().map(|word| ports::publish(word));
        let wishes = wishes.collect::<Result<Vec<_>, _>>()?;
        let mut exposed = ports::exposed_by_image(image);
        for word in &self.expose {
            exposed.push(ports::expose(word)?);
        }
        let why = match network {
            Network::Host => "with --network host the container's ports are the host's",
            Network::None => "with --network none nobody reaches the container",
            _ => return Ok(ports::settle(wishes, exposed, self.publish_all)?),
        };
        if !wishes.is_empty() || self.publish_all {
            print::warning(&format!("denied: --publish: {why}"));
        }
        Ok(Ports::default())
    }
}
