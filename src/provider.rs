//! The hall.
mod config;
