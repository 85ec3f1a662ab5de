//! `imgedit` against servers: every call is paid for once, whatever fails, is turned, is killed or runs out.

mod array;
mod campaign;
mod captions;
mod cluster;
mod comfyui;
mod dead;
mod demonstration;
mod desk;
mod faults;
mod kills;
mod less;
mod litellm;
mod money;
mod old_store;
mod rates;
mod rejected;
mod reuse;
mod secrets;
mod signals;
mod table;
mod tls;
