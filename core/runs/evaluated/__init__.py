"""Runs of models that were evaluated and not trained here: other tools' results, and evaluations of their own.

Their config is {"imported": …, "evaluation": …}, the latter the settings of an evaluation made here
(`EvaluationConfig`), and the former

    {"gt": path of a COCO JSON, or the data set's folder,
     "dt": path of the results, or names of the models,
     "images": folder, or None where no pictures were found,
     "data", "part": of an evaluation on a data set, its folder and part,
     "onnx": of an evaluation of an ONNX file, its path,
     "notes": sentences on what was left out, repaired or matched by another key than its id}
"""
