//! `imgedit` against servers: every call is paid for once, whatever fails, is turned, is killed or runs out.

mod captions;
mod comfyui;
mod desk;
mod faults;
mod kills;
mod money;
mod reuse;
mod secrets;
