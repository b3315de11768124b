"""What a training or an evaluation has used of a data set, told apart from what lies in its folder today."""
