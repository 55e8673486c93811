//! `dp2stage demo` and the program's other faces, as a person at a terminal meets them.
