//! Requests per second on several threads over loopback: other clients to hyper-util's bare one.
//!
//! ```text
//! cargo bench -p cost --bench rate
//! cargo bench -p cost --bench rate -- Own Hand      some of the clients
//! ```
//!
//! The two clients take turns of a tenth of a second. Each pair of turns gives a ratio; the table has
//! their median, the worst and the best. Client and server share a runtime, and the server does nothing
//! but send canned bytes. The client `Least` does the least that following its connections takes, and could not be used.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cost::rates::{COLUMNS, Ratios, compare};
use cost::support::client::{HttpClient, exchange, guarded_legacy, own, plain};
use cost::support::exchanges::{COUNTED_DOWN, Kind, SMALL, Server};
use cost::support::loopback;
use cost::{is_trial, least, pairs};
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

fn main() {
    let pairs = if is_trial() { 1 } else { 100 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let [bare, median, worst, best] = COLUMNS;
    let mut table = pairs::table(["exchange", "tasks", "client", bare, median, worst, best]);
    for kind in [SMALL, COUNTED_DOWN] {
        for tasks in [1, 16, 200] {
            for client in Against::ALL.into_iter().filter(Against::is_asked_for) {
                let ratios = runtime.block_on(compare_clients(kind, tasks, pairs, client));
                let [bare, median, worst, best] = ratios.cells();
                table.add_row([
                    kind.name.to_string(),
                    tasks.to_string(),
                    format!("{client:?}"),
                    bare,
                    median,
                    worst,
                    best,
                ]);
            }
        }
    }
    println!("{table}");
}

/// What is compared with hyper-util's client as it comes.
#[derive(Clone, Copy, Debug)]
enum Against {
    /// This crate's own client.
    Own,
    /// hyper-util's with this crate's connector and layer.
    Legacy,
    /// hyper's connections without a pool: one for each task.
    Hand,
    Reqwest,
    /// hyper-util's with the least that following its connections takes.
    Least,
}

impl Against {
    const ALL: [Self; 5] = [
        Self::Own,
        Self::Legacy,
        Self::Hand,
        Self::Reqwest,
        Self::Least,
    ];

    /// Whether the arguments name it, or none.
    fn is_asked_for(&self) -> bool {
        let names = || std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
        names().count() == 0 || names().any(|name| name == format!("{self:?}"))
    }
}

async fn compare_clients(kind: Kind, tasks: usize, pairs: usize, with: Against) -> Ratios {
    let server = Server::start(kind).await;
    let keep_alive = KeepAlive::new(KeepAlivePolicy::default()).unwrap();
    let bare = plain(loopback::connector());
    let bare = || worker(bare.clone(), server.clone());
    match with {
        Against::Own => {
            let own = own(&keep_alive, loopback::connector());
            compare(pairs, tasks, bare, || worker(own.clone(), server.clone())).await
        }
        Against::Legacy => {
            let both = guarded_legacy(&keep_alive, loopback::connector());
            compare(pairs, tasks, bare, || worker(both.clone(), server.clone())).await
        }
        Against::Hand => {
            let idle = Idle::default();
            let hand = || Hand::new(&idle).worker(server.clone());
            compare(pairs, tasks, bare, hand).await
        }
        Against::Reqwest => {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let url: reqwest::Url = server.request().uri().to_string().parse().unwrap();
            let with = || {
                let (client, url) = (client.clone(), url.clone());
                move || -> BoxFuture<'static, ()> {
                    let response = client.get(url.clone()).send();
                    Box::pin(async move {
                        response.await.unwrap().bytes().await.unwrap();
                    })
                }
            };
            compare(pairs, tasks, bare, with).await
        }
        Against::Least => {
            let client = plain(least::client::Connector::new(loopback::connector()));
            let client = least::client::Layered::new(client);
            compare(pairs, tasks, bare, || {
                worker(client.clone(), server.clone())
            })
            .await
        }
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// Connections that no worker has.
type Idle = Arc<Mutex<Vec<Sender>>>;

/// One connection, which is idle again after the turn.
struct Hand {
    sender: Arc<Mutex<Option<Sender>>>,
    idle: Idle,
}

impl Hand {
    fn new(idle: &Idle) -> Self {
        Self {
            sender: Arc::new(Mutex::new(idle.lock().unwrap().pop())),
            idle: Arc::clone(idle),
        }
    }

    /// Makes one request after the other, each in the form that a client brings it into.
    fn worker(self, server: Server) -> impl FnMut() -> BoxFuture<'static, ()> + Send {
        move || {
            let (kept, mut request) = (Arc::clone(&self.sender), server.request());
            Box::pin(async move {
                let taken = kept.lock().unwrap().take();
                let mut sender = match taken {
                    Some(sender) => sender,
                    None => connect(request.uri()).await,
                };
                in_origin_form(&mut request);
                sender.ready().await.unwrap();
                let response = sender.send_request(request).await.unwrap();
                response.into_body().collect().await.unwrap();
                *kept.lock().unwrap() = Some(sender);
            })
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let sender = self.sender.lock().unwrap().take();
        self.idle.lock().unwrap().extend(sender);
    }
}

async fn connect(uri: &Uri) -> Sender {
    let stream = TcpStream::connect(uri.authority().unwrap().as_str())
        .await
        .unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn in_origin_form<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().unwrap();
    let field = HeaderValue::from_str(authority.as_str()).unwrap();
    request.headers_mut().insert(HOST, field);
    let path = request.uri().path_and_query().unwrap().clone();
    *request.uri_mut() = path.into();
}

/// Makes one request after the other.
fn worker<S>(client: S, server: Server) -> impl FnMut() -> BoxFuture<'static, ()>
where
    S: HttpClient<Future: Send> + Send + Sync + 'static,
{
    move || {
        let (client, request) = (client.clone(), server.request());
        Box::pin(async move {
            exchange(&client, request).await.unwrap();
        })
    }
}
