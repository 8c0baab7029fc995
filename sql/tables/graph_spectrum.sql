-- The first modes of the co-purchase graph's largest component, and the spectral density of the whole graph.
-- Both are of the random-walk Laplacian, whose frequencies lie between 0 and 2.
CREATE TABLE graph_spectrum (
    quantity VARCHAR NOT NULL CHECK (quantity IN ('mode', 'density')), -- what the row is a point of
    position BIGINT NOT NULL CHECK (position >= 0), -- number of the mode, or of the point, from 0
    frequency DOUBLE NOT NULL, -- eigenvalue of a mode, or place in the spectrum
    density DOUBLE, -- eigenvalues per node and unit of frequency there; NULL for modes
    error DOUBLE NOT NULL CHECK (error >= 0), -- residual of a mode, or standard error of a density
    PRIMARY KEY (quantity, position)
);
