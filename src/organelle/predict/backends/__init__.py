"""What runs a network: torch as it was trained, ONNX Runtime or OpenVINO from an ONNX file.

Each opens a network as an `Answer`, the wanted channels of one patch. Several threads may ask at once. An
answer is computed by the thread that asks for it, so that no bit depends on how many there are.
"""

from organelle.predict.backends.choice import Backend, choose_backend, choose_device
from organelle.predict.backends.compare import Agreement, compare_answers
from organelle.predict.backends.onnx_file import onnx_file
from organelle.predict.backends.onnxruntime_answer import onnxruntime_answer
from organelle.predict.backends.openvino_answer import openvino_answer
from organelle.predict.backends.torch_answer import Precision, one_thread_each, torch_answer

__all__ = [
    "Agreement",
    "Backend",
    "Precision",
    "choose_backend",
    "choose_device",
    "compare_answers",
    "one_thread_each",
    "onnx_file",
    "onnxruntime_answer",
    "openvino_answer",
    "torch_answer",
]
