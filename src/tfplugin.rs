pub mod codec;
mod diagnostics;
pub mod proto;
mod rpc;
mod schemas;
mod server;
mod session;
