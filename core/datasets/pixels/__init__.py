"""The pixels of an opened picture, as everybody is to see them: upright, in RGB, eight bits a colour."""
