//! What an illustrator makes of a picture and its record.
