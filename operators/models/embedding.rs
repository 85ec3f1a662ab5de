//! Embeddings: vectors that models give. They are brought to length 1, kept in half precision, and compared.

use half::f16;

/// A vector that points nowhere: all zeros, or with a NaN or an infinity in it. It has no direction to compare.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("its L2 norm is {norm}: no direction is left to compare")]
pub struct Degenerate {
    /// The norm that was found.
    pub norm: f64,
}

/// Divides `embedding` by its L2 norm; an error leaves it as it is.
///
/// ```
/// use operators::models::embedding::normalise;
/// let mut vector = [3.0, 4.0];
/// normalise(&mut vector).unwrap();
/// assert_eq!(vector, [0.6, 0.8]);
/// assert!(normalise(&mut [0.0, 0.0]).is_err());
/// assert!(normalise(&mut [f32::NAN, 1.0]).is_err());
/// ```
pub fn normalise(embedding: &mut [f32]) -> Result<(), Degenerate> {
    let norm = norm(embedding);
    if !norm.is_finite() || norm == 0.0 {
        return Err(Degenerate { norm });
    }
    embedding.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    Ok(())
}

/// The cosine of the angle between two vectors of one length, -1 to 1, whatever their norms; NaN where one is
/// degenerate or the lengths differ.
pub fn cosine(one: &[f32], other: &[f32]) -> f32 {
    cosine_in_full(one, other) as f32
}

/// How far `image` speaks for `first` and against `second`: the first's share, 0 to 1, of the softmax of 100 x cosine over the
/// two. NaN where one of the three is degenerate or their lengths differ.
///
/// With the embeddings of "X" and "not X" this is ImgEdit's clip_score of a region; the factor 100 is the temperature that CLIP
/// was trained to (arXiv 2103.00020, 2.5).
///
/// ```
/// use operators::models::embedding::share_of_first;
/// let (image, cat, not_cat) = ([1.0, 0.0], [0.8, 0.6], [0.6, 0.8]);
/// let (of_cat, of_not_cat) = (share_of_first(&image, &cat, &not_cat), share_of_first(&image, &not_cat, &cat));
/// assert!(of_cat > 0.999 && (of_cat + of_not_cat - 1.0).abs() < 1e-6);
/// ```
pub fn share_of_first(image: &[f32], first: &[f32], second: &[f32]) -> f32 {
    let against = 100.0 * (cosine_in_full(image, second) - cosine_in_full(image, first));
    (1.0 / (1.0 + against.exp())) as f32
}

/// As it is kept: 2 bytes a value, IEEE 754 binary16, little-endian. Values of a normalised embedding lose at most 2.5e-4.
pub fn to_f16_bytes(embedding: &[f32]) -> Vec<u8> {
    embedding.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
}

/// The way back from [`to_f16_bytes`], exact. A last odd byte, which no embedding has, is left out.
///
/// ```
/// use operators::models::embedding::{from_f16_bytes, to_f16_bytes};
/// assert_eq!(from_f16_bytes(&to_f16_bytes(&[0.5, -0.25, 1.0])), [0.5, -0.25, 1.0]);
/// ```
pub fn from_f16_bytes(bytes: &[u8]) -> Vec<f32> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect()
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().fold(0.0, |sum, value| sum + f64::from(*value).powi(2)).sqrt()
}

fn cosine_in_full(one: &[f32], other: &[f32]) -> f64 {
    if one.len() != other.len() {
        return f64::NAN;
    }
    let product: f64 = one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    product / (norm(one) * norm(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_nowhere_is_told_and_left_alone() {
        for bad in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            let mut vector = bad;
            assert!(normalise(&mut vector).is_err(), "{bad:?}");
            assert_eq!(vector.map(f32::to_bits), bad.map(f32::to_bits));
            assert!(share_of_first(&bad, &[1.0, 0.0], &[0.0, 1.0]).is_nan());
        }
        assert!(share_of_first(&[1.0], &[1.0, 0.0], &[0.0, 1.0]).is_nan());
        let error = normalise(&mut []).unwrap_err().to_string();
        assert!(error.contains("L2 norm is 0"), "{error}");
    }

    #[test]
    fn large_and_small_vectors_keep_their_direction() {
        for scale in [1e-30_f32, 1e30] {
            let mut vector = [3.0 * scale, -4.0 * scale];
            normalise(&mut vector).unwrap();
            assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] + 0.8).abs() < 1e-6, "{vector:?}");
        }
    }

    #[test]
    fn a_share_at_the_ends_is_a_number() {
        let (image, other) = ([1.0, 0.0], [-1.0, 0.0]);
        assert_eq!(share_of_first(&image, &image, &other), 1.0);
        assert_eq!(share_of_first(&image, &other, &image), 0.0);
        assert_eq!(share_of_first(&image, &other, &other), 0.5);
        assert_eq!(cosine(&image, &other), -1.0);
    }

    #[test]
    fn half_precision_follows_the_standard() {
        // Bit patterns from IEEE 754: 1, -2, the smallest subnormal, a third rounded to nearest even.
        assert_eq!(
            to_f16_bytes(&[1.0, -2.0, 5.960_464_5e-8, 1.0 / 3.0]),
            [0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0x55, 0x35]
        );
        assert_eq!(from_f16_bytes(&[0x00, 0x3C, 0x00]), [1.0]);
    }
}
