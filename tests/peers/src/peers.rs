//! The clients: what they are, and how they are run.
//!
//! In commands, `@INSTALLED@` is the folder into which `install` puts what Debian does not have. They run in the folder
//! of the clients' programs.

use crate::program::Program;

/// A client.
pub struct Peer {
    pub name: &'static str,
    pub client: Client,
    /// Whether the client is known to read `Keep-Alive: timeout=…`.
    pub reads_hints: bool,
}

pub enum Client {
    /// hyper-util's client with this crate's connector and layer.
    Guarded,
    /// hyper-util's client as it comes.
    Plain,
    Program(Program),
}

pub static PEERS: [Peer; 8] = [
    Peer {
        name: "http-keepalive",
        client: Client::Guarded,
        reads_hints: true,
    },
    Peer {
        name: "hyper-util",
        client: Client::Plain,
        reads_hints: false,
    },
    Peer {
        name: "Node.js http.Agent",
        client: Client::Program(Program {
            probe: &["node", "--version"],
            build: &[],
            command: &["node", "node_agent.mjs"],
        }),
        reads_hints: true,
    },
    Peer {
        name: "undici",
        client: Client::Program(Program {
            probe: &["node", "-e", "require('undici')"],
            build: &[],
            command: &["node", "undici.mjs"],
        }),
        reads_hints: true,
    },
    Peer {
        name: "Go net/http",
        client: Client::Program(Program {
            probe: &["go", "version"],
            build: &["go", "build", "-o", "@INSTALLED@/net_http", "net_http.go"],
            command: &["@INSTALLED@/net_http"],
        }),
        reads_hints: false,
    },
    Peer {
        name: "httpx",
        client: Client::Program(Program {
            probe: &["@INSTALLED@/python/bin/python", "-c", "import httpx"],
            build: &[],
            command: &["@INSTALLED@/python/bin/python", "with_httpx.py"],
        }),
        reads_hints: false,
    },
    Peer {
        name: "aiohttp",
        client: Client::Program(Program {
            probe: &["@INSTALLED@/python/bin/python", "-c", "import aiohttp"],
            build: &[],
            command: &["@INSTALLED@/python/bin/python", "with_aiohttp.py"],
        }),
        reads_hints: false,
    },
    Peer {
        name: "curl (libcurl)",
        client: Client::Program(Program {
            probe: &["@INSTALLED@/python/bin/python", "-c", "import pycurl"],
            build: &[],
            command: &["@INSTALLED@/python/bin/python", "with_curl.py"],
        }),
        reads_hints: false,
    },
];
