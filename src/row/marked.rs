//! Implements for a value with a marker type what `derive` would, but without requiring the same traits of the marker.

/// Copies, compares, hashes and serializes `$name<M>($inner, PhantomData<fn() -> M>)` as its first field.
macro_rules! marked {
    ($name:ident<$marker:ident>: $inner:ty) => {
        impl<$marker> Clone for $name<$marker> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<$marker> Copy for $name<$marker> {}
        impl<$marker> PartialEq for $name<$marker> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }
        impl<$marker> Eq for $name<$marker> {}
        impl<$marker> PartialOrd for $name<$marker> {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl<$marker> Ord for $name<$marker> {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.cmp(&other.0)
            }
        }
        impl<$marker> std::hash::Hash for $name<$marker> {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }
        impl<$marker> Serialize for $name<$marker> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
        impl<'de, $marker> Deserialize<'de> for $name<$marker> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$inner>::deserialize(deserializer).map(|inner| $name(inner, std::marker::PhantomData))
            }
        }
    };
}

pub(super) use marked;
