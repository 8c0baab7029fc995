"""The data set in the forms that other tools load: ids, times and captions of one snapshot of the lake."""
