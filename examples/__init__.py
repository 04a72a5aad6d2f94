"""Small programs that use the library on models of other libraries."""
