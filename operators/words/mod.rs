//! Words about pictures: asked of chat models, or said plainly without one.

pub mod chat;
pub mod chat_book;
pub mod plain;
