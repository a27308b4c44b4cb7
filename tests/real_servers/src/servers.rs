//! The servers: what they are, how they are started, and what they say of their idle timeout.
//!
//! In commands, environments and files, `@PORT@` is the port to listen on, `@DIR@` the folder where
//! the files are, which is the working directory too, `@IDLE@` the idle timeout in seconds, and `@ORIGIN@` the
//! address and port of the server behind a reverse proxy.

use std::time::Duration;

/// The idle timeout that all of them are configured with.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A server to start.
pub struct Server {
    pub name: &'static str,
    /// Debian's package, or Python's.
    pub package: &'static str,
    /// The program, and its arguments.
    pub command: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
    /// The files in its folder, and what is in them.
    pub files: &'static [(&'static str, &'static str)],
    pub says: Says,
}

/// What a server says of its idle timeout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Says {
    Nothing,
    /// `Keep-Alive: timeout=…` if the request carries `Connection: keep-alive`.
    WhenAsked,
    /// `Keep-Alive: timeout=…` whatever the request carries.
    Always,
}

pub static SERVERS: [Server; 11] = [
    Server {
        name: "nginx",
        package: "nginx",
        command: &["nginx", "-p", "@DIR@", "-c", "nginx.conf", "-e", "stderr"],
        environment: &[],
        files: &[("nginx.conf", include_str!("servers/nginx.conf"))],
        says: Says::Nothing,
    },
    Server {
        name: "nginx, told to say it",
        package: "nginx",
        command: &["nginx", "-p", "@DIR@", "-c", "nginx.conf", "-e", "stderr"],
        environment: &[],
        files: &[("nginx.conf", include_str!("servers/nginx-hint.conf"))],
        says: Says::Always,
    },
    Server {
        name: "Apache httpd",
        package: "apache2-bin",
        command: &["apache2", "-D", "FOREGROUND", "-f", "@DIR@/apache.conf"],
        environment: &[],
        files: &[
            ("apache.conf", include_str!("servers/apache.conf")),
            ("www/index.html", "ok\n"),
        ],
        says: Says::WhenAsked,
    },
    Server {
        name: "lighttpd",
        package: "lighttpd",
        command: &["lighttpd", "-D", "-f", "lighttpd.conf"],
        environment: &[],
        files: &[
            ("lighttpd.conf", include_str!("servers/lighttpd.conf")),
            ("www/index.sh", include_str!("servers/index.sh")),
        ],
        says: Says::Nothing,
    },
    Server {
        name: "HAProxy",
        package: "haproxy",
        command: &["haproxy", "-db", "-f", "haproxy.cfg"],
        environment: &[],
        files: &[("haproxy.cfg", include_str!("servers/haproxy.cfg"))],
        says: Says::Nothing,
    },
    Server {
        name: "Node.js",
        package: "nodejs",
        command: &["node", "server.js", "@PORT@", "@IDLE@"],
        environment: &[],
        files: &[("server.js", include_str!("servers/server.js"))],
        says: Says::Always,
    },
    Server {
        name: "Go net/http",
        package: "golang-go",
        command: &["go", "run", "server.go", "@PORT@", "@IDLE@"],
        environment: &[
            // What it builds once it need not build again.
            (
                "GOCACHE",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/real_servers/go"),
            ),
            ("GOTMPDIR", "@DIR@"),
            ("GOFLAGS", "-mod=mod"),
            ("GOPROXY", "off"),
            ("CGO_ENABLED", "0"),
        ],
        files: &[("server.go", include_str!("servers/server.go"))],
        says: Says::Nothing,
    },
    Server {
        name: "Tomcat",
        package: "tomcat10-common",
        command: &["/usr/share/tomcat10/bin/catalina.sh", "run"],
        environment: &[
            ("CATALINA_HOME", "/usr/share/tomcat10"),
            ("CATALINA_BASE", "@DIR@"),
        ],
        files: &[
            ("conf/server.xml", include_str!("servers/tomcat.xml")),
            (
                "www/WEB-INF/web.xml",
                include_str!("servers/tomcat-web.xml"),
            ),
            ("www/index.html", "ok\n"),
        ],
        says: Says::WhenAsked,
    },
    Server {
        name: "gunicorn (gthread)",
        package: "gunicorn",
        command: &[
            "gunicorn",
            "--worker-class=gthread",
            "--threads=4",
            "--keep-alive=@IDLE@",
            "--bind=127.0.0.1:@PORT@",
            "--worker-tmp-dir=@DIR@",
            "--no-control-socket",
            "app:wsgi",
        ],
        environment: &[],
        files: &[("app.py", include_str!("servers/app.py"))],
        says: Says::Nothing,
    },
    Server {
        name: "uvicorn",
        package: "uvicorn",
        command: &[
            "uvicorn",
            "--timeout-keep-alive=@IDLE@",
            "--port=@PORT@",
            "--no-access-log",
            "app:asgi",
        ],
        environment: &[],
        files: &[("app.py", include_str!("servers/app.py"))],
        says: Says::Nothing,
    },
    Server {
        name: "hypercorn",
        package: "hypercorn",
        command: &[
            "hypercorn",
            "--keep-alive=@IDLE@",
            "--bind=127.0.0.1:@PORT@",
            "app:asgi",
        ],
        environment: &[],
        files: &[("app.py", include_str!("servers/app.py"))],
        says: Says::Nothing,
    },
];

/// A reverse proxy. It passes on what its origin says of its own timeout.
pub static BEFORE_ORIGIN: Server = Server {
    name: "HAProxy before an origin",
    package: "haproxy",
    command: &["haproxy", "-db", "-f", "haproxy.cfg"],
    environment: &[],
    files: &[("haproxy.cfg", include_str!("servers/haproxy-origin.cfg"))],
    says: Says::Nothing,
};
