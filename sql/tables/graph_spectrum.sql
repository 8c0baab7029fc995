-- The first modes of the largest component of the co-purchase graph, and the spectral density of the whole graph.
-- Both refer to the random-walk Laplacian, whose frequencies are between 0 and 2.
CREATE TABLE graph_spectrum (
    quantity VARCHAR NOT NULL CHECK (quantity IN ('mode', 'density')), -- what the row describes
    position BIGINT NOT NULL CHECK (position >= 0), -- number of the mode or of the point, from 0
    frequency DOUBLE NOT NULL, -- eigenvalue of the mode, or frequency of the point
    density DOUBLE, -- eigenvalues per node and unit of frequency; NULL for modes
    error DOUBLE NOT NULL CHECK (error >= 0), -- residual of the mode, or standard error of the density
    PRIMARY KEY (quantity, position)
);
