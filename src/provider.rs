//! The hall.
mod config;
mod schemas;
