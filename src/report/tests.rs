//! The page as a whole, on a set that lies in a tar.
