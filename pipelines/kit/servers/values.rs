//! What the values of flags about servers may be.

/// A number from `least` to `most`; `allowed` says so in words.
fn number(text: &str, (least, most): (f64, f64), allowed: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().unwrap_or(f64::NAN);
    if (least..=most).contains(&number) { Ok(number) } else { Err(format!("give {allowed}")) }
}

/// Of a model's sampling.
pub fn temperature(text: &str) -> Result<f32, String> {
    number(text, (0.0, 2.0), "a number from 0 (the likeliest answer) to 2").map(|number| number as f32)
}

/// A distance in pixels.
pub fn pixels(text: &str) -> Result<f32, String> {
    number(text, (0.0, 1e6), "pixels, 0 or more").map(|number| number as f32)
}

/// A duration in seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    number(text, (0.001, 1e7), "seconds, 0.001 or more")
}

/// An amount in USD.
pub fn dollars(text: &str) -> Result<f64, String> {
    number(text, (0.0, 1e9), "USD, 0 or more")
}

/// A count that is not 0.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.trim().parse().ok().filter(|count| *count > 0).ok_or_else(|| "give a whole number, 1 or more".into())
}

/// A form's field: `NAME=VALUE`. The editor says which names are its own.
pub fn field(text: &str) -> Result<(String, String), String> {
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = named.ok_or("it takes NAME=VALUE, such as num_inference_steps=28")?;
    Ok((name.to_owned(), value.to_owned()))
}
