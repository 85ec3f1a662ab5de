//! `imgedit` against servers: every call is paid for once, whatever fails, is turned, is killed or runs out.

mod desk;
mod faults;
