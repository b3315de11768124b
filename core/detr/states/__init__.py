"""What a decoder says of the queries before its heads: the states of those that count, kept during an evaluation."""
