"""Which pictures are alike: copies that were saved anew, made smaller, or cut a little."""
