"""Networks with published weights: what their constructors share. See ``runtime`` for how they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from ml.vision.presets import BackboneSpec, Options, Weights
from ml.vision.runtime import FrozenNetwork, Normalisation, fold_batch_norms
from ml.vision.sampling import Sampling, SourceVideo
from ml.vision.weights import load_parameters, read_weights


class PublishedNetwork(FrozenNetwork):
    """A network of one file of weights. A subclass sets the class variables and implements ``build``."""

    published: ClassVar[Weights]
    """Where the authors publish the weights."""
    normalisation: ClassVar[Normalisation]
    pictures: bool
    unit_length: bool
    unused: ClassVar[Sequence[str]] = ()
    """Prefixes of parameters of the file that the network does not need, such as a classifier's."""
    fixed_sampling: ClassVar[Sampling]
    """The sampling of a network that treats all videos alike."""

    def __init__(self, spec: BackboneSpec, options: Options, weights: Weights | None = None) -> None:
        self.spec = spec
        state, digest = read_weights(spec.name, weights, self.published)
        network, dim = self.build(state)
        load_parameters(spec.name, network, self.renamed(network, state), self.unused)
        super().__init__(
            name=spec.name,
            dim=dim,
            module=self.prepared(network),
            normalisation=self.normalisation,
            pictures=self.pictures,
            unit_length=self.unit_length,
            weights_sha256=digest,
            recipe=self.recipe(),
            options=options,
        )

    def build(self, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
        """The network with random parameters, of the layout that ``state`` has, and the size of its vectors."""
        raise NotImplementedError

    def renamed(self, network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The parameters of a file under the names of ``network``."""
        return state

    def prepared(self, network: nn.Module) -> nn.Module:
        """The module that runs, made from the network with its trained parameters."""
        fold_batch_norms(network)
        return network

    def recipe(self) -> object:
        """What vectors depend on in addition to weights and normalisation; part of the fingerprint."""
        return self.fixed_sampling

    def sampling(self, video: SourceVideo) -> Sampling:
        """The same sampling for every video, unless a subclass depends on the video."""
        return self.fixed_sampling
