//! shards
pub struct DemoOptions;
pub struct DemoShards;
pub struct Planted;
pub fn write_demo_shards() {}
