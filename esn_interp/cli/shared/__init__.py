"""What commands share: their options and groups of options, how they are told and checked, how a result is written."""
