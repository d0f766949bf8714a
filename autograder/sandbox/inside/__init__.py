"""What runs inside the sandbox, beside the student's code, and the encoding that both sides share.

Nothing here may import from the rest of `autograder`: it is not there. The sandbox sees this folder as the
package `inside`.
"""
