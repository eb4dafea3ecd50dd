export FLUXBASE_SECRET_KEY_1="old-key-here"
export FLUXBASE_SECRET_KEY_2="new-key-here"
