"""Sources of prices: `base.Provider` is the contract, `massive` and `files` keep it."""
